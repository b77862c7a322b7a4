"""Errors as Kubernetes has them: an object `Status` with code, reason and message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from twins.errors import Rejected
from web.kubernetes.resources import GROUP, Resource
from web.problems import problem_of
from web.routes import JSON

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Failure(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str, *, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = status("Failure", code, message, reason or REASONS.get(code, "Unknown"), details)


def status(
    word: str, code: int, message: str = "", reason: str = "", details: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A `Status`; `word` is Success or Failure."""
    said: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": word}
    said |= {key: value for key, value in (("message", message), ("reason", reason), ("details", details)) if value}
    return said | {"code": code}


def expired(message: str) -> Failure:
    """A version that is not kept any more: clients list again."""
    return Failure(410, message)


def not_found(resource: Resource, name: str) -> Failure:
    return Failure(404, f'{resource.qualified} "{name}" not found', details=details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> Failure:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Failure(409, message, details=details(resource, name))


def refused(resource: Resource, name: str, error: Rejected) -> Failure:
    """What the gateway refused, in Kubernetes' words."""
    if error.code == 400:  # the object was read, and its content is not valid
        message = f'{resource.kind} "{name}" is invalid: {error.reason}'
        field, _, why = error.reason.partition(": ")
        cause = {"field": field, "message": why} if why and " " not in field else {"message": error.reason}
        about = details(resource, name) | {"kind": resource.kind}
        return Failure(422, message, details=about | {"causes": [{"reason": "FieldValueInvalid"} | cause]})
    if error.code == 403:
        message = f'{resource.qualified} "{name}" is forbidden: {error.reason}'
        return Failure(403, message, details=details(resource, name))
    return Failure(error.code, error.reason, details=details(resource, name))


def details(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "group": GROUP, "kind": resource.plural}


@web.middleware
async def statuses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The boundary: whatever goes wrong is answered with a `Status`."""
    try:
        return await handler(request)
    except Failure as failure:
        return _answer(failure, {"Retry-After": "1"} if failure.code == 429 else {})
    except Exception as error:  # noqa: BLE001 - the HTTP boundary: one request fails, the server goes on
        problem = problem_of(request, error)
        return _answer(Failure(problem.view.status, problem.view.detail), problem.headers)


def _answer(failure: Failure, headers: dict[str, str]) -> web.Response:
    body = msgspec.json.encode(failure.body)
    return web.Response(body=body, status=failure.code, headers=headers, content_type=JSON)
