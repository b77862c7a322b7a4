"""Devices with an HTTP interface: a value is asked for with GET, and set with PUT, POST or PATCH."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

import aiohttp
import msgspec
from msgspec import Meta, Struct

from devices.mapper.driver import Driver, Scalar
from twins.errors import Rejected, Unavailable

LARGEST = 1_048_576
"""Bytes of an answer at most."""
AWAY = {502, 503, 504}
"""Status codes of something in between that cannot reach the device, or of a device that is not ready."""

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """`spec.protocol.configData`."""

    url: Annotated[str, Meta(pattern="^https?://[^/\\s]+", description="an http:// or https:// URL")]
    """Of the device; paths of properties are joined to it."""
    timeout: Annotated[float, Meta(gt=0)] = 3.0
    """Seconds."""
    user: str = ""
    password: str = ""
    token: str = ""
    """Sent as `Authorization: Bearer`."""


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    """`visitors.configData` of a property."""

    path: str = ""
    """Path and query of the reading, such as `/status?unit=C`."""
    json: str = ""
    """Where the value is in a JSON answer, such as `sensors[0].temperature`; empty: the whole body is the value."""
    write: str = ""
    """Path of the write; empty: the same."""
    method: Literal["PUT", "POST", "PATCH"] = "PUT"
    key: str = ""
    """Write `{"key": value}`; empty: the bare value as text."""


class Http(Driver[Settings, Visitor]):
    """One session of connections a device. A refused request is the property's failure, a broken one the device's."""

    _session: aiohttp.ClientSession | None = None

    async def connect(self) -> None:
        own = self.settings
        headers = {"Authorization": f"Bearer {own.token}"} if own.token else {}
        auth = aiohttp.BasicAuth(own.user, own.password) if own.user else None
        timeout = aiohttp.ClientTimeout(total=own.timeout)
        self._session = aiohttp.ClientSession(headers=headers, auth=auth, timeout=timeout)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def read(self, visitor: Visitor) -> Scalar:
        body = await self._ask("GET", visitor.path)
        if not visitor.json:
            return body.decode("utf-8", "replace").strip()
        try:
            found: Any = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            reason = f"GET {visitor.path}: the answer is not JSON: {error}"
            raise Rejected(reason) from None
        return _at(found, visitor.json)

    async def write(self, visitor: Visitor, value: Scalar) -> None:
        path = visitor.write or visitor.path
        if visitor.key:
            await self._ask(visitor.method, path, json={visitor.key: _text(value)})
        else:
            text = _text(value)
            plain = text if isinstance(text, str) else msgspec.json.encode(text).decode()
            await self._ask(visitor.method, path, data=plain.encode())

    async def _ask(self, method: str, path: str, **content: Any) -> bytes:
        assert self._session is not None  # connected
        url = urljoin(self.settings.url, path)
        if not url.startswith(("http://", "https://")):
            reason = f"{url}: only http:// and https:// are spoken"
            raise Rejected(reason)
        try:
            async with self._session.request(method, url, max_redirects=3, **content) as answer:
                body = await answer.content.read(LARGEST + 1)
                while not answer.content.at_eof() and len(body) <= LARGEST:
                    body += await answer.content.read(LARGEST + 1 - len(body))
        except TimeoutError as late:
            reason = f"{method} {url}: no answer within {self.settings.timeout:g} s"
            raise Unavailable(reason) from late
        except aiohttp.TooManyRedirects as error:
            reason = f"{method} {url}: too many redirects"
            raise Rejected(reason) from error
        except aiohttp.ClientError as error:
            reason = f"{method} {url}: {error or type(error).__name__}"
            raise Unavailable(reason) from error
        if answer.status >= 400:
            reason = f"{method} {url}: {answer.status} {answer.reason}"
            raise Unavailable(reason) if answer.status in AWAY else Rejected(reason)
        if len(body) > LARGEST:
            reason = f"{method} {url}: the answer has more than {LARGEST} bytes"
            raise Rejected(reason)
        return body


def _at(found: Any, path: str) -> Scalar:
    """The value at a path of keys and `[numbers]`."""
    here: Any = found
    for key, index in _STEP.findall(path):
        try:
            here = here[int(index)] if index else here[key]
        except (KeyError, IndexError, TypeError):
            reason = f"{path}: the answer has no {key or f'[{index}]'} there"
            raise Rejected(reason) from None
    if not isinstance(here, bool | int | float | str):
        reason = f"{path}: {'null' if here is None else 'an object or a list'} is no value"
        raise Rejected(reason)
    return here


def _text(value: Scalar) -> bool | int | float | str:
    return value.decode() if isinstance(value, bytes) else value
