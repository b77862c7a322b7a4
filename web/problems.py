"""Errors as problem+json (RFC 9457): what, why, and how to mend it."""

from __future__ import annotations

import http
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProblemView(msgspec.Struct, frozen=True):
    """The body of every error."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.view = ProblemView(status, title, detail)
        self.headers = headers or {}


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The boundary: nothing leaves but an answer."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the HTTP boundary: one request fails, the server goes on
        return _answer(problem_of(request, error))


def problem_of(request: web.Request, error: Exception) -> Problem:
    """What a failed request is answered; what is nobody's fault but ours is logged."""
    match error:
        case Problem():
            return error
        case Rejected():
            code = error.code if 400 <= error.code < 500 else 400
            return Problem(code, _phrase(code), error.reason)
        case Unavailable():
            return Problem(503, _phrase(503), str(error), {"Retry-After": "2"})
        case TimeoutError():
            return Problem(504, _phrase(504), "the answer did not come in time; ask for less, or try again")
        case msgspec.DecodeError():
            return Problem(400, _phrase(400), f"the body is not what this address takes: {error}")
        case RecursionError() | UnicodeError():
            return Problem(400, _phrase(400), "the body is nested too deeply or is not UTF-8")
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, error.reason, f"the body is larger than {request.client_max_size} bytes")
        case web.HTTPException():
            kept = {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
            return Problem(error.status, error.reason, f"{request.method} {request.path[:200]}: {error.reason}", kept)
        case _:
            logger.error("%s %s failed", request.method, request.path[:200], exc_info=error)
            return Problem(500, _phrase(500), "the gateway failed to answer this; its log says why")


def _answer(problem: Problem) -> web.Response:
    body = msgspec.json.encode(problem.view)
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return web.Response(body=body, status=problem.view.status, headers=headers)


def _phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase
