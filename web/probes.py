"""How the gateway is, for whoever watches over it: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from web.bodies import json_of
from web.ports import Console
from web.routes import Liveness, Readiness, Route

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Probes:
    """Health as `console` tells it, and what `registry` collects."""

    def __init__(self, console: Console, registry: CollectorRegistry) -> None:
        self._console = console
        self._registry = registry

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/livez", self.live, "Does the process turn?", Liveness, door="open"),
            Route("GET", "/readyz", self.ready, "Is recovery over and input taken?", Readiness, door="open"),
            Route("GET", "/metrics", self.metrics, "Prometheus metrics", gives="text/plain"),
        ]

    async def live(self, _request: web.Request) -> web.Response:
        health = self._console.health()
        return json_of(Liveness(health.live, health.reasons), 200 if health.live else 503)

    async def ready(self, _request: web.Request) -> web.Response:
        health = self._console.health()
        return json_of(Readiness(health.ready, health.reasons), 200 if health.ready else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
