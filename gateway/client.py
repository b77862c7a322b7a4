"""The command line's side of the HTTP API of a running gateway."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import aiohttp

from gateway.config import load
from twins.errors import Rejected, Unavailable

DEADLINE = 30.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which gateway a command speaks to."""
    parser.add_argument("-c", "--config", type=Path, help="gateway.toml of the gateway to speak to")
    parser.add_argument("--url", default=os.environ.get("GEMELO_URL", ""), help="its address (or GEMELO_URL)")


class Client:
    """`async with Client(args) as api`. Raises `Rejected` for what is refused, `Unavailable` when nobody answers."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._url, self._token = where(args)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE), headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, method: str, path: str, *, json: Any = None, data: bytes | None = None, **more: Any) -> Any:
        """The decoded JSON of an answer; `None` for an empty one."""
        assert self._session is not None
        try:
            async with self._session.request(
                method, f"{self._url}/api/v1{path}", json=json, data=data, **more
            ) as answer:
                body = await answer.json(content_type=None) if answer.content_length != 0 else None
                if answer.status >= 400:
                    detail = body.get("detail") or body.get("title") if isinstance(body, dict) else answer.reason
                    raise Rejected(str(detail), answer.status)
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            help_ = "start one with `gemelo run` or `gemelo demo`, or give --url"
            raise Unavailable(f"no gateway answers at {self._url} ({error}): {help_}") from None


def where(args: argparse.Namespace) -> tuple[str, str]:
    """Address and token of the gateway to speak to."""
    token = os.environ.get("GEMELO_TOKEN", "")
    if args.url:
        return args.url.rstrip("/"), token
    if args.config is None:
        return "http://127.0.0.1:8080", token
    section = load(args.config).web
    if section.token_file is not None and not token:
        token = section.token_file.read_text("utf-8").strip()
    return f"http://{section.listen}", token
