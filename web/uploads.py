"""Uploads to object storage: how it stands with each, and one told to send now. Times are µs UTC, 0 for none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol

from aiohttp import web
from msgspec import Meta, Struct, field

from twins.values import device_id
from web.bodies import body_of, json_of
from web.problems import Problem
from web.routes import Route

Moment = Annotated[datetime, Meta(tz=True)]


class UploadView(Struct, frozen=True):
    """`state` waiting: for its hours; failing: tried again by itself; off: can't be; never: it is a block.

    `pending_*` and `lag` (seconds, of the oldest row) are what is still to go; `waiting` how many requests. `objects`,
    `rows`, `bytes` and `missed` (rows removed here before they went) are of all times, `blocked` rows and `failures` of
    this start.
    """

    id: str
    policy: str
    state: Literal["starting", "idle", "running", "waiting", "failing", "off", "never"]
    reason: str
    since: int
    next: int
    last: int
    waiting: int
    pending_rows: int
    pending_bytes: int
    lag: float
    objects: int
    rows: int
    bytes: int
    missed: int
    blocked: int
    failures: int


class RunBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to go: rows from this time to that one, both within; absent: from the first, to the last."""

    from_: Moment | None = field(default=None, name="from")
    to: Moment | None = None


class Uploads(Protocol):
    """All uploads of this node."""

    def views(self) -> Sequence[UploadView]: ...

    async def start(self, name: str, since: datetime | None, until: datetime | None) -> UploadView:
        """Returns when it is kept that this is wanted. Raises `Rejected`: 403, 404, 409."""
        ...


class UploadApi:
    """Handlers of `/api/v1/uploads`."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def routes(self) -> list[Route]:
        one, said = "/api/v1/uploads/{namespace}/{name}", "Send what lies in a span of time now, and what is left of it"
        short = "/api/v1/uploads/{name}/run"
        return [
            Route("GET", "/api/v1/uploads", self.all, "How it stands with each upload", list[UploadView]),
            Route("GET", one, self.one, "How it stands with an upload", UploadView),
            Route("POST", f"{one}/run", self.run, said, UploadView, RunBody),
            Route("POST", short, self.run, f"{said}; of the namespace `default`", UploadView, RunBody),
        ]

    async def all(self, _request: web.Request) -> web.Response:
        return json_of(self._uploads.views())

    async def one(self, request: web.Request) -> web.Response:
        name = _id(request)
        view = next((view for view in self._uploads.views() if view.id == name), None)
        if view is None:
            raise Problem(404, "Not Found", f"there is no Upload {name[:200]}")
        return json_of(view)

    async def run(self, request: web.Request) -> web.Response:
        body = await body_of(request, RunBody)
        return json_of(await self._uploads.start(_id(request), body.from_, body.to), 202)


def _id(request: web.Request) -> str:
    return device_id(request.match_info.get("namespace", "default"), request.match_info["name"])
