"""Webhooks: what others post for rules to see."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web
from msgspec import Struct

from web.bodies import check_type, json_of
from web.routes import JSON, Route


class Told(Struct, frozen=True):
    """What was posted is decided and on disk; `cause` finds it in logs."""

    cause: str


class Inputs(Protocol):
    """Who hears webhooks."""

    async def post(self, name: str, body: bytes) -> str:
        """Returns the cause after the commit. Raises `Rejected`: 404 when no rule hears it, 413 when it is too long."""
        ...


class InputsApi:
    """The handler of `/api/v1/inputs`."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def routes(self) -> list[Route]:
        return [Route("POST", "/api/v1/inputs/{name}", self.post, "Something that rules wait for", Told, dict)]

    async def post(self, request: web.Request) -> web.Response:
        check_type(request, JSON)
        return json_of(Told(await self._inputs.post(request.match_info["name"], await request.read())))
