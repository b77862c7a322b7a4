"""The server of the edge API: one listener, the door that the page has too, and Kubernetes' addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from runtime.clock import Clock
from web.config import WebConfig
from web.guard import Guard, add_headers
from web.kubernetes import discovery
from web.kubernetes.asked import true
from web.kubernetes.discovery import ROOT
from web.kubernetes.mirror import Mirror
from web.kubernetes.ports import Objects
from web.kubernetes.reading import Reading
from web.kubernetes.resources import GROUP
from web.kubernetes.status import Failure, Handler, statuses
from web.kubernetes.watching import Watching
from web.kubernetes.writing import Writing
from web.listener import Listener
from web.routes import JSON
from web.sessions import Sessions

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
MANY = f"{ROOT}/namespaces/{{namespace}}/{{resource}}"
ONE = f"{MANY}/{{name}}"
OPEN = ("/livez", "/readyz", "/healthz")
"""What needs no token."""


class EdgeApi:
    """Serves until cancelled. Raises Rejected for a configuration that cannot be meant.

    `version` is the product's; `first` the version of what is here now. Call `mirror.touch` for what changes.
    """

    def __init__(self, config: WebConfig, objects: Objects, clock: Clock, *, version: str, first: int) -> None:
        endpoint = config.endpoint()
        self.mirror = Mirror(objects, first)
        self._listener = Listener(endpoint, config.tls(), what="the edge API", key="[edge_api] listen")
        self._guard = Guard(endpoint[0], config.hosts)
        self._sessions = Sessions(config.token, clock)
        self._config = config
        self._objects = objects
        self._version = version
        reading = Reading(self.mirror, clock)
        self._reading = reading
        self._watching = Watching(self.mirror, clock, config.viewers, reading.shape)
        self._writing = Writing(objects, self.mirror)

    @property
    def address(self) -> str:
        """`host:port`, the port being the real one once it listens."""
        return self._listener.address

    async def listening(self) -> None:
        """Return when connections are accepted."""
        await self._listener.listening()

    async def run(self) -> None:
        """Listen until cancelled. Raises Unavailable when the port is taken."""
        self.mirror.begin()
        await self._listener.run(self._app())

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[statuses, self._admit], client_max_size=self._config.body_limit)
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._stop)
        for path, handler in self._documents().items():
            app.router.add_get(path, handler, allow_head=False)
        for path in (f"{ROOT}/{{resource}}", MANY):
            app.router.add_get(path, self._list, allow_head=False)
        app.router.add_get(ONE, self._reading.one, allow_head=False)
        writing = self._writing
        app.router.add_post(MANY, writing.create)
        app.router.add_put(ONE, writing.replace)
        app.router.add_patch(ONE, writing.patch)
        app.router.add_delete(ONE, writing.delete)
        return app

    def _documents(self) -> Mapping[str, Handle]:
        """What is the same for everybody."""
        return {
            "/api": _constant(discovery.core()),
            "/apis": _constant(discovery.groups()),
            f"/apis/{GROUP}": _constant(discovery.group()),
            ROOT: _constant(discovery.resources()),
            "/version": _constant(discovery.version(self._version)),
            "/openapi/v2": _old_schemas,
            "/openapi/v3": _constant(discovery.schemas_index()),
            f"/openapi/v3{ROOT}": self._schemas,
        } | dict.fromkeys(OPEN, _ok)

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Which browser, who, how long."""
        self._guard.check(request)
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path not in OPEN and not self._sessions.allows(bearer, ""):
            raise Failure(401, "send the token of the gateway: kubectl --token, or Authorization: Bearer")
        if request.method == "GET" and true(request, "watch"):
            return await handler(request)
        async with asyncio.timeout(self._config.deadline):
            return await handler(request)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if true(request, "watch"):
            return await self._watching.serve(request)
        return await self._reading.many(request)

    async def _schemas(self, _request: web.Request) -> web.Response:
        return _json(discovery.schemas(self._objects))

    async def _stop(self, _app: web.Application) -> None:
        self.mirror.close()


def _constant(document: object) -> Handle:
    async def answer(_request: web.Request) -> web.Response:
        return _json(document)

    return answer


async def _old_schemas(_request: web.Request) -> web.Response:
    return web.Response(body=discovery.OLD_SCHEMAS, content_type=discovery.OLD_SCHEMAS_TYPE)


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _json(document: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type=JSON)
