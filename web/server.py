"""The server: one listener for the page, the API and the live stream."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from runtime.clock import Clock
from web.api import Api
from web.config import WebConfig
from web.door import LIVE, Door, Login
from web.guard import Guard, add_headers
from web.listener import Listener
from web.live import Live
from web.manifests import ManifestApi
from web.nodes.question import Groups
from web.openapi import openapi
from web.pages import Pages
from web.ports import Commands, Console, Pictures, Sql
from web.probes import Probes
from web.problems import problems
from web.prometheus.api import PrometheusApi
from web.routes import JSON, LoginBody, Route
from web.sessions import Sessions
from web.sql import SqlApi
from web.views import Snapshot


class Web:
    """Serves until cancelled, `more` addresses too. Raises Rejected for a configuration that cannot be meant."""

    def __init__(
        self,
        config: WebConfig,
        console: Console,
        commands: Commands,
        sql: Sql,
        pictures: Pictures,
        clock: Clock,
        registry: CollectorRegistry,
        more: Sequence[Route] = (),
        groups: Groups | None = None,
    ) -> None:
        endpoint = config.endpoint()
        self._listener = Listener(endpoint, config.tls(), what="the page", key="[web] listen")
        self._sessions = Sessions(config.token, clock)
        self._live = Live(console, clock, config.viewers)
        handlers = (
            Probes(console, registry),
            Api(config, console, commands, sql, pictures),
            SqlApi(config, sql, groups),
            PrometheusApi(config, sql, clock),
            ManifestApi(commands),
        )
        self._routes = [*(route for each in handlers for route in each.routes()), *more, *self._own_routes()]
        self._described = msgspec.json.encode(openapi(self._routes))
        self._door = Door(config, Guard(endpoint[0], config.hosts), self._sessions, self._routes)
        self._body_limit = config.body_limit
        viewers = Gauge("gemelo_web_viewers", "Live connections of the page", registry=registry)
        viewers.set_function(lambda: self._live.viewers)

    @property
    def address(self) -> str:
        """`host:port`, the port being the real one once `listening` returned."""
        return self._listener.address

    async def listening(self) -> None:
        """Return when connections are accepted."""
        await self._listener.listening()

    def link(self) -> str:
        """The page's address; with a token, a link that opens it once."""
        key = f"#k={self._sessions.invite()}" if self._sessions.needed else ""
        return f"{self._listener.scheme}://{self.address}/{key}"

    async def run(self) -> None:
        """Listen until cancelled. Raises Unavailable when the port is taken."""
        await self._listener.run(self._app())

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[problems, self._door.admit], client_max_size=self._body_limit)
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._stop)
        for route in self._routes:
            allowed = ("GET", "HEAD") if route.method == "GET" and route.path != LIVE else (route.method,)
            for method in allowed:
                app.router.add_route(method, route.path, route.handler)
        return app

    def _own_routes(self) -> list[Route]:
        pages = Pages()
        login = Login(self._sessions)
        stream = "The live stream (WebSocket): everything, then what changed, at most ten times a second"
        return [
            Route("GET", "/", pages.index, "The page", door="open", described=False),
            Route("GET", "/static/{file}", pages.file, "Its files", door="open", described=False),
            Route("GET", LIVE, self._watch, stream, Snapshot),
            Route(
                "POST", "/api/v1/login", login.login, "Trade a one-time key for a cookie", body=LoginBody, door="open"
            ),
            Route("GET", "/api/v1/openapi.json", self._describe, "This description", dict, door="open"),
        ]

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        return await self._live.serve(request)

    async def _describe(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._described, content_type=JSON)

    async def _stop(self, _app: web.Application) -> None:
        await self._live.close()
