"""`/api/v1/node`: who this gateway is to other nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from web.bodies import json_of
from web.routes import Route


class NodeApi:
    """Its handler; `manifest` may have to make a key first."""

    def __init__(self, manifest: Callable[[], dict[str, Any]]) -> None:
        self._manifest = manifest

    def routes(self) -> list[Route]:
        summary = "This gateway as a Node manifest, to be applied where it is asked from, or where it asks"
        return [Route("GET", "/api/v1/node", self.node, summary, dict)]

    async def node(self, _request: web.Request) -> web.Response:
        return json_of(await asyncio.to_thread(self._manifest))
