"""Points of the past by HTTP: our own JSON, and InfluxDB's write, so that Telegraf and others need only an address."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from twins.errors import Rejected
from twins.exchange import Sample
from web.bodies import body_of, check_type, json_of
from web.routes import Route

LINES = "text/plain"
UNPACKED = 8 * 1024 * 1024
"""Bytes that a packed body may unpack to."""
UNITS = {"ns": 1, "n": 1, "us": 1000, "u": 1000, "µ": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""Nanoseconds of InfluxDB's `precision`."""


class PointsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Points as `["namespace/name", "property", microseconds since 1970, value]`; all are kept, or none."""

    points: list[Sample]


class Taken(Struct, frozen=True):
    """So many are on disk; `cause` finds them in logs."""

    taken: int
    cause: str


class Recorder(Protocol):
    """Where points go: all of a call are kept, or none. Raises Rejected or Unavailable."""

    async def record(self, samples: Sequence[Sample]) -> str:
        """Returns their cause after the commit."""
        ...

    async def write(self, lines: bytes, namespace: str, unit: int, naming: Sequence[str]) -> None:
        """Line protocol, times in `unit` nanoseconds; `naming` are the tags that name a device, empty for the usual."""
        ...


class PointsApi:
    """Handlers of what brings points."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def routes(self) -> list[Route]:
        query = ("precision", "namespace", "device_tag", "bucket", "db")
        said = "InfluxDB's write: lines as points of the past"
        return [
            Route("POST", "/api/v1/points", self.take, "Points of the past", Taken, PointsBody),
            Route("POST", "/api/v2/write", self.write, said, takes=(LINES,), query=query),
            Route("POST", "/write", self.write, f"{said} (InfluxDB 1)", takes=(LINES,), query=query),
        ]

    async def take(self, request: web.Request) -> web.Response:
        body = await body_of(request, PointsBody)
        return json_of(Taken(len(body.points), await self._recorder.record(body.points)))

    async def write(self, request: web.Request) -> web.Response:
        """204, or an error in InfluxDB's form."""
        # A form can send this type: that a page elsewhere cannot write is the guard's look at its origin alone.
        check_type(request, LINES, "application/octet-stream")
        unit = UNITS.get(request.query.get("precision", "ns"))
        if unit is None:
            return _refusal(400, "invalid", f"precision is one of {', '.join(UNITS)}")
        try:
            naming = (request.query["device_tag"],) if "device_tag" in request.query else ()
            namespace = request.query.get("namespace", "default")
            await self._recorder.write(await _lines(request), namespace, unit, naming)
        except Rejected as error:
            code = "request too large" if error.code == 413 else "invalid"
            return _refusal(error.code if error.code == 413 else 400, code, error.reason)
        return web.Response(status=204)


async def _lines(request: web.Request) -> bytes:
    """The body, unpacked where Telegraf has packed it. Raises `Rejected`."""
    body = await request.read()
    match request.headers.get("Content-Encoding", "identity"):
        case "identity":
            return body
        case "gzip":
            unpacker = zlib.decompressobj(wbits=31)
            try:
                text = unpacker.decompress(body, UNPACKED)
            except zlib.error as error:
                raise Rejected(f"the body is no gzip: {error}") from None
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise Rejected(f"the body is cut off, or unpacks to more than {UNPACKED} bytes", 413)
            return text
        case other:
            raise Rejected(f"Content-Encoding {other[:40]!r} is not read: gzip or none")


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = msgspec.json.encode({"code": code, "message": message})
    return web.Response(body=body, status=status, content_type="application/json")
