"""Bodies of requests and answers: JSON and CSV, and where names stand in an address."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from twins.values import device_id
from web.problems import Problem
from web.routes import JSON

T = TypeVar("T")


def id_of(request: web.Request) -> str:
    """`namespace/name`, as the address has it; without a namespace, that of `default`."""
    return device_id(request.match_info.get("namespace", "default"), request.match_info["name"])


def check_type(request: web.Request, *kinds: str) -> None:
    """Raise `Problem` (415) for a body of another type."""
    # No form of another page can send these types, so a browser asks us first, and we do not allow it.
    if request.content_type not in kinds:
        raise Problem(415, "Unsupported Media Type", f"send the body with Content-Type: {' or '.join(kinds)}")


async def body_of(request: web.Request, kind: type[T]) -> T:
    """The body, decoded. Raises for one that is of another type or form."""
    check_type(request, JSON)
    return msgspec.json.decode(await request.read(), type=kind)


def json_of(view: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=msgspec.json.encode(view), status=status, content_type=JSON)
