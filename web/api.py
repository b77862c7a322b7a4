"""The HTTP API of what there is to see and to ask: each address is a few lines between a port and a view."""

from __future__ import annotations

import re

from aiohttp import web

from twins.errors import Rejected
from web.bodies import body_of, id_of, json_of
from web.config import WebConfig
from web.pages import tagged
from web.ports import Commands, Console, Pictures, Sql
from web.routes import (
    Accepted,
    DesiredBody,
    DesiredValues,
    Route,
)
from web.views import CameraView, CloudView, DeviceView, EventView, PointView, RuleView

HISTORY = 1000
PAST = """
SELECT epoch_us(time), value, text FROM points
WHERE namespace = ? AND device = ? AND property = ? ORDER BY time DESC, seq DESC
"""
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


class Api:
    """Handlers of `/api/v1`, but for manifests and credentials."""

    def __init__(
        self,
        config: WebConfig,
        console: Console,
        commands: Commands,
        sql: Sql,
        pictures: Pictures,
    ) -> None:
        self._config = config
        self._console = console
        self._commands = commands
        self._sql = sql
        self._pictures = pictures

    def routes(self) -> list[Route]:
        device = "/api/v1/devices/{namespace}/{name}"
        camera = "/api/v1/cameras/{namespace}/{name}"
        return [
            Route("GET", "/api/v1/devices", self.devices, "All devices", list[DeviceView]),
            Route("GET", device, self.device, "One device", DeviceView),
            Route("GET", device + "/history", self.histories, "Its past", dict[str, list[PointView]], query=("count",)),
            Route(
                "GET",
                device + "/history/{property}",
                self.history,
                "The past of one property: from memory, or, with source=store, from the disk",
                list[PointView],
                query=("count", "source"),
            ),
            Route("PUT", device + "/desired", self.ask, "Ask several values of it", Accepted, DesiredValues),
            Route("PUT", device + "/desired/{property}", self.desire, "Ask a value of it", Accepted, DesiredBody),
            Route("GET", "/api/v1/cameras", self.cameras, "All cameras", list[CameraView]),
            Route("GET", camera + "/latest.jpg", self.latest, "Its picture", gives="image/jpeg", query=("version",)),
            Route("GET", "/api/v1/pictures/{key:.+}", self.picture, "A kept picture", gives="image/jpeg"),
            Route("GET", "/api/v1/rules", self.rules, "All rules and their states", list[RuleView]),
            Route("GET", "/api/v1/events", self.events, "Recent events", list[EventView], query=("count",)),
            Route("GET", "/api/v1/cloud", self.cloud, "The ledger of the sync", CloudView),
        ]

    async def devices(self, _request: web.Request) -> web.Response:
        return json_of(self._console.snapshot().devices)

    async def device(self, request: web.Request) -> web.Response:
        return json_of(self._view(id_of(request)))

    async def histories(self, request: web.Request) -> web.Response:
        count = _count(request, 5, 60)
        device = id_of(request)
        names = [p.name for p in self._view(device).properties if p.reported is not None]
        return json_of({name: await self._console.history(device, name, count) for name in names})

    async def history(self, request: web.Request) -> web.Response:
        count = _count(request, 200, HISTORY)
        device, name = id_of(request), request.match_info["property"]
        points = await self._console.history(device, name, count)
        match request.query.get("source", "memory"):
            case "memory":
                return json_of(points)
            case "store":
                kind = next((p.kind for p in self._view(device).properties if p.name == name), "")
                rows = await self._sql.sql(PAST, (*device.split("/", 1), name), deadline=self._patience, limit=count)
                return json_of([PointView.of(at, kind, number, text) for at, number, text in reversed(rows.rows)])
            case other:
                message = f'source = "{other[:20]}" is neither memory nor store'
                raise Rejected(message)

    async def ask(self, request: web.Request) -> web.Response:
        return await self._desire(request, (await body_of(request, DesiredValues)).values)

    async def desire(self, request: web.Request) -> web.Response:
        body = await body_of(request, DesiredBody)
        return await self._desire(request, {request.match_info["property"]: body.value})

    async def cameras(self, _request: web.Request) -> web.Response:
        return json_of(self._console.snapshot().cameras)

    async def latest(self, request: web.Request) -> web.Response:
        camera = id_of(request)
        version = request.query.get("version", "")
        found = self._pictures.latest(camera, int(version[:18]) if version.isascii() and version.isdigit() else 0)
        if found is None:
            message = f'camera "{camera}" has shown no picture yet, or does not exist'
            raise Rejected(message, 404)
        number, jpeg = found
        return tagged(request, jpeg, str(number), "image/jpeg")

    async def picture(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        jpeg = await self._pictures.by_key(key) if KEY.fullmatch(key) else None
        if jpeg is None:
            message = f'there is no picture "{key[:200]}": it was never kept, or its time is over'
            raise Rejected(message, 404)
        return tagged(request, jpeg, key, "image/jpeg")

    async def rules(self, _request: web.Request) -> web.Response:
        return json_of(self._console.snapshot().rules)

    async def events(self, request: web.Request) -> web.Response:
        return json_of(self._console.snapshot().events[-_count(request, 100, HISTORY) :])

    async def cloud(self, _request: web.Request) -> web.Response:
        return json_of(self._console.snapshot().cloud or CloudView())

    @property
    def _patience(self) -> float:
        """Seconds that a question to the store may take: one is left for the answer itself."""
        return max(0.5, self._config.deadline - 1.0)

    def _view(self, device: str) -> DeviceView:
        view = self._console.device(device)
        if view is None:
            message = f'there is no device "{device}"; /api/v1/devices lists them'
            raise Rejected(message, 404)
        return view

    async def _desire(self, request: web.Request, values: dict[str, str]) -> web.Response:
        who = "console" if "Origin" in request.headers else "api"
        return json_of(Accepted(await self._commands.set_desired(id_of(request), values, who)))


def _count(request: web.Request, default: int, most: int) -> int:
    text = request.query.get("count", str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        message = f'count = "{text[:20]}" is not a number from 1 to {most}'
        raise Rejected(message)
    return int(text)
