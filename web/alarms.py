"""Alarms: how each stands, and what people command. Times are µs UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web
from msgspec import Struct, field

from twins.errors import Rejected
from twins.values import device_id
from web.bodies import body_of, json_of
from web.routes import Accepted, Route
from web.views import AlarmView

MOST = 10_000
_COMMANDS = "acknowledge, snooze, disable, enable, reset"


class OrderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who commands it and why; for `snooze` also how long, as `10m`, absent: as its manifest says."""

    who: str = ""
    note: str = ""
    length: str | float | None = field(default=None, name="for")


class Desk(Protocol):
    """All alarms of this node."""

    def views(self, state: str, limit: int) -> Sequence[AlarmView]:
        """How they stand, the worst first; of one state where it is named."""
        ...

    async def command(
        self, alarm: str, key: str, command: str, *, who: str, note: str, length: str | float | None
    ) -> str:
        """Returns the cause after the commit. Raises `Rejected`: 400, 404, or 409 for what makes no sense now."""
        ...


class AlarmApi:
    """Handlers of `/api/v1/alarms`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        one = "/api/v1/alarms/{namespace}/{name}/{key:.+}"
        said = f"Command it: {_COMMANDS}"
        return [
            Route(
                "GET",
                "/api/v1/alarms",
                self.all,
                "How alarms stand, the worst first",
                list[AlarmView],
                query=("state", "count"),
            ),
            Route("POST", one + "/{command}", self.command, said, Accepted, OrderBody),
        ]

    async def all(self, request: web.Request) -> web.Response:
        text = request.query.get("count", "1000")
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
            message = f'count = "{text[:20]}" is not a number from 1 to {MOST}'
            raise Rejected(message)
        return json_of(self._desk.views(request.query.get("state", ""), int(text)))

    async def command(self, request: web.Request) -> web.Response:
        where = request.match_info
        body = await body_of(request, OrderBody) if request.body_exists else OrderBody()
        who = body.who or ("page" if "Origin" in request.headers else "api")
        alarm = device_id(where["namespace"], where["name"])
        cause = await self._desk.command(
            alarm, where["key"], where["command"], who=who, note=body.note, length=body.length
        )
        return json_of(Accepted(cause))
