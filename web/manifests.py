"""Manifests over HTTP: applied, read and deleted, and what each kind looks like."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from web.bodies import check_type, id_of, json_of
from web.ports import Commands
from web.routes import JSON, YAML, Applied, Route


class ManifestApi:
    """Handlers of `/api/v1/manifests` and `/api/v1/schemas`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/api/v1/manifests", self.apply, "Apply manifests", Applied, dict, takes=(YAML, JSON)),
            Route("GET", "/api/v1/manifests/{kind}", self.objects, "All objects of a kind", list[dict[str, Any]]),
            Route("GET", "/api/v1/manifests/{kind}/{namespace}/{name}", self.object, "One object", dict[str, Any]),
            Route("DELETE", "/api/v1/manifests/{kind}/{name:.+}", self.delete, "Delete an object", query=("force",)),
            Route("GET", "/api/v1/schemas/{kind}", self.schema, "The JSON Schema of a kind", dict[str, Any]),
        ]

    async def apply(self, request: web.Request) -> web.Response:
        check_type(request, YAML, JSON)
        return json_of(Applied(list(await self._commands.apply(await request.read()))))

    async def objects(self, request: web.Request) -> web.Response:
        return json_of(await self._commands.objects(request.match_info["kind"]))

    async def object(self, request: web.Request) -> web.Response:
        (found,) = await self._commands.objects(request.match_info["kind"], id_of(request))
        return json_of(found)

    async def schema(self, request: web.Request) -> web.Response:
        return json_of(self._commands.schema(request.match_info["kind"]))

    async def delete(self, request: web.Request) -> web.Response:
        force = request.query.get("force", "") == "true"
        await self._commands.delete(request.match_info["kind"], request.match_info["name"], force=force)
        return web.Response(status=204)
