"""The command line's side of the HTTP API of a running gateway."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from gateway.config import load
from gateway.wiring import read_token
from twins.errors import Rejected, Unavailable

DEADLINE = 30.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which gateway a command speaks to."""
    parser.add_argument("-c", "--config", type=Path, help="gateway.toml of the gateway to speak to")
    parser.add_argument("--url", default="", help="its address (or GEMELO_URL)")


class Place(Struct, frozen=True):
    """Where a gateway is and how to speak to it. `tls` is `None` for a certificate that the system trusts."""

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None

    def session(self, timeout: float | None) -> aiohttp.ClientSession:
        """A session for it; `timeout` in seconds bounds each request."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connector = aiohttp.TCPConnector(ssl=self.tls or True)
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout), headers=headers, connector=connector)

    def absent(self, error: object) -> Unavailable:
        """The error of a gateway that does not answer."""
        reason = str(error) or "no answer in time"
        help_ = "start one with `gemelo run` or `gemelo demo`, or give --url"
        return Unavailable(f"no gateway answers at {self.url} ({reason}): {help_}")


class Client:
    """`async with Client(args) as api`. Raises `Rejected` for what is refused, `Unavailable` when nobody answers."""

    def __init__(self, args: argparse.Namespace, deadline: float = DEADLINE) -> None:
        self._place = where(args)
        self._deadline = deadline
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = self._place.session(self._deadline)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, method: str, path: str, *, json: Any = None, data: bytes | None = None, **more: Any) -> Any:
        """The decoded JSON of an answer; `None` for an empty one."""
        _, body = await self.fetch(method, path, json=json, data=data, **more)
        try:
            return msgspec.json.decode(body) if body else None
        except msgspec.DecodeError as error:
            raise self._place.absent(error) from None

    async def fetch(self, method: str, path: str, **more: Any) -> tuple[Mapping[str, str], bytes]:
        """The headers of an answer, and its bytes."""
        assert self._session is not None
        url = URL(f"{self._place.url}/api/v1{path}", encoded=True)
        try:
            async with self._session.request(method, url, **more) as answer:
                if answer.status >= 400:
                    raise Rejected(await _detail(answer), answer.status)
                return answer.headers, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._place.absent(error) from None


def where(args: argparse.Namespace) -> Place:
    """The gateway to speak to: what is written counts before what is set for all commands.

    Raises `Rejected` when its configuration can't be read.
    """
    token = os.environ.get("GEMELO_TOKEN", "")
    if args.url or args.config is None:
        url = args.url or os.environ.get("GEMELO_URL", "") or "http://127.0.0.1:8080"
        return Place(url.rstrip("/"), token)
    section = load(args.config).web
    if section.token_file is not None:
        token = read_token(section.token_file)
    if section.cert_file is None:
        return Place(f"http://{section.listen}", token)
    return Place(f"https://{section.listen}", token, _trusting(section.cert_file))


def _trusting(certificate: Path) -> ssl.SSLContext:
    """TLS that trusts this very certificate, whatever name it was made for: it is the gateway's own."""
    try:
        context = ssl.create_default_context(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise Rejected(f"web.cert_file: {certificate} cannot be used: {error}") from None
    context.check_hostname = False
    return context


async def _detail(answer: aiohttp.ClientResponse) -> str:
    """Why a request was refused: problem+json's own words where it is one of ours."""
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        body = None
    told = (body.get("detail") or body.get("title")) if isinstance(body, dict) else None
    return str(told or f"{answer.status} {answer.reason}: is that a gateway?")
