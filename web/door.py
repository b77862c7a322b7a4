"""The door: every request passes it. Guard first (which browser, which page), then who it is, then a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from web.config import WebConfig
from web.guard import Guard
from web.problems import Handler, Problem
from web.routes import JSON, LoginBody, Route
from web.sessions import SESSION_SECONDS, Sessions

LIVE = "/api/v1/live"


class Door:
    """`routes` say which addresses need no token, and which may take as long as a query may."""

    def __init__(self, config: WebConfig, guard: Guard, sessions: Sessions, routes: Sequence[Route]) -> None:
        self._deadline = config.deadline
        self._longest = config.deadline + config.sql_deadline
        self._guard = guard
        self._sessions = sessions
        self._open = frozenset(route.path for route in routes if route.door == "open")
        self._patient = frozenset(route.path for route in routes if route.patient)

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._guard.check(request, live=request.path == LIVE)
        path = _path(request)
        self._identify(request, path)
        if path == LIVE:
            return await handler(request)
        async with asyncio.timeout(self._longest if path in self._patient else self._deadline):
            return await handler(request)

    def _identify(self, request: web.Request, path: str) -> None:
        if path in self._open:
            return
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").removeprefix("Token ")
        if not self._sessions.allows(bearer, request.cookies.get(_cookie(request), "")):
            detail = "send the token as Authorization: Bearer, or open the one-time link that the gateway printed"
            raise Problem(401, "Who are you?", detail, {"WWW-Authenticate": 'Bearer realm="gemelo"'})


class Login:
    """Trades the key of a one-time link for a cookie."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def login(self, request: web.Request) -> web.Response:
        if request.content_type != JSON:
            raise Problem(415, "Unsupported Media Type", f"send the body with Content-Type: {JSON}")
        body = msgspec.json.decode(await request.read(), type=LoginBody)
        session = self._sessions.login(body.key)
        if session is None:
            detail = "this key is not one of ours, is used already, or is older than ten minutes; ask for a new link"
            raise Problem(401, "Not a key", detail)
        response = web.Response(status=204)
        response.set_cookie(
            _cookie(request),
            session,
            max_age=int(SESSION_SECONDS),
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response


def _path(request: web.Request) -> str:
    """As the route has it, empty for an address that is none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _cookie(request: web.Request) -> str:
    # Cookies know no ports: two gateways on one machine must not log each other out.
    return f"gemelo-{request.url.port}"
