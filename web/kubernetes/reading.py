"""One object, or a list of them: page by page if wanted, each page as of the version of the first."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from runtime.clock import Clock
from web.kubernetes.asked import key_of, number, resource_of, selector_of, version_of
from web.kubernetes.forms import Shape, form_of
from web.kubernetes.history import Entry, Expired, History
from web.kubernetes.mirror import Mirror
from web.kubernetes.resources import Resource
from web.kubernetes.status import Failure, expired, not_found
from web.routes import JSON


class _Continue(Struct, array_like=True):
    """Where the next page begins: behind `key`, as of `version`."""

    version: int
    key: str


class Reading:
    """Handlers of GET that end."""

    def __init__(self, mirror: Mirror, clock: Clock) -> None:
        self._mirror = mirror
        self._clock = clock

    async def one(self, request: web.Request) -> web.Response:
        resource = resource_of(request, "get")
        shape = self.shape(request, resource)
        history = await self._mirror.fresh(resource.kind)
        entry = history.entries.get(key_of(request))
        if entry is None:
            raise not_found(resource, request.match_info["name"])
        return web.Response(body=shape.one(entry.body), content_type=JSON)

    async def many(self, request: web.Request) -> web.Response:
        resource = resource_of(request, "list")
        shape, selects = self.shape(request, resource), selector_of(request)
        history = await self._mirror.fresh(resource.kind)
        version, begin, entries = _state(request, history)
        found = sorted((entry for entry in entries if selects(entry)), key=lambda entry: entry.key)
        rest = [entry for entry in found if entry.key > begin]
        page = rest[: number(request, "limit", len(rest) or 1)]
        metadata = {"resourceVersion": str(version)} | _more(page, len(rest) - len(page), version)
        return web.Response(body=shape.many((entry.body for entry in page), metadata), content_type=JSON)

    def shape(self, request: web.Request, resource: Resource) -> Shape:
        """The form that the request wants its answer in."""
        include = request.query.get("includeObject", "Metadata")
        return Shape(form_of(request.headers.get("Accept", "")), resource, include, self._clock.now())


def _state(request: web.Request, history: History) -> tuple[int, str, list[Entry]]:
    """The version that is asked for, the key behind which to begin, and all objects of that version."""
    token = request.query.get("continue", "")
    asked, begin = version_of(request), ""
    exact = asked and request.query.get("resourceVersionMatch") == "Exact"
    if token:
        read = _read(token)
        asked, begin, exact = read.version, read.key, True
    if not exact:
        return history.version, begin, list(history.entries.values())
    try:
        return asked, begin, list(history.at(asked).values())
    except Expired as error:
        what = "the continue parameter" if token else "the version"
        raise expired(f"{what} is too old to display a consistent list: {error}; list again without it") from error


def _more(page: Sequence[Entry], left: int, version: int) -> dict[str, object]:
    if not left:
        return {}
    token = base64.urlsafe_b64encode(msgspec.json.encode(_Continue(version, page[-1].key)))
    return {"continue": token.decode(), "remainingItemCount": left}


def _read(token: str) -> _Continue:
    try:
        return msgspec.json.decode(base64.b64decode(token[:2048], altchars="-_", validate=True), type=_Continue)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise Failure(400, "continue key is not valid: take it from the metadata of the page before") from error
