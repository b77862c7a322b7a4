"""Detectors drawn, with where their instances are now."""

from __future__ import annotations

from typing import Literal, Protocol

from aiohttp import web

from web.bodies import id_of
from web.guard import POLICY
from web.routes import Route

SVG = "image/svg+xml"


class Diagrams(Protocol):
    """Draws what there is now."""

    def drawn(self, detector: str, form: Literal["svg", "mermaid"]) -> str:
        """Of `namespace/name`. Raises `Rejected` (404)."""
        ...


class DiagramApi:
    """Handlers of `/api/v1/detectors/{namespace}/{name}/diagram.svg`, and `.mmd` for Mermaid."""

    def __init__(self, diagrams: Diagrams) -> None:
        self._diagrams = diagrams

    def routes(self) -> list[Route]:
        one, told = "/api/v1/detectors/{namespace}/{name}/diagram", "A detector drawn, its live states marked"
        short = "/api/v1/detectors/{name}/diagram"
        return [
            Route("GET", f"{one}.svg", self.svg, told, gives=SVG),
            Route("GET", f"{one}.mmd", self.mermaid, f"{told}, as Mermaid", gives="text/plain"),
            Route("GET", f"{short}.svg", self.svg, f"{told}; of the namespace `default`", gives=SVG),
            Route("GET", f"{short}.mmd", self.mermaid, f"{told}, as Mermaid; of `default`", gives="text/plain"),
        ]

    async def svg(self, request: web.Request) -> web.Response:
        drawn = self._diagrams.drawn(id_of(request), "svg")
        policy = {POLICY: "default-src 'none'; style-src 'unsafe-inline'"}  # it has a style of its own, and no script
        return web.Response(text=drawn, content_type=SVG, headers=policy)

    async def mermaid(self, request: web.Request) -> web.Response:
        return web.Response(text=self._diagrams.drawn(id_of(request), "mermaid"), content_type="text/plain")
