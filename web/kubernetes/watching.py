"""`watch=true`: a stream of what changes, one JSON document a line, from a version on.

A watcher has no queue: it asks the history what came after its version, at most ten times a second, so an object that
changes more often is told once. One that reads too slowly finds its version gone and is told so (410 Expired), as is
one that comes with a version from before the history; Kubernetes' clients then list again and watch from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import msgspec
from aiohttp import web

from runtime.clock import Clock
from web.kubernetes.asked import number, resource_of, selector_of, true, version_of
from web.kubernetes.forms import Shape
from web.kubernetes.history import Change, Entry, Expired, History, stamped
from web.kubernetes.mirror import Mirror
from web.kubernetes.resources import GROUP_VERSION, Resource
from web.kubernetes.selectors import Selector
from web.kubernetes.status import Failure, expired
from web.routes import JSON

PAUSE = 0.1
"""Seconds between two looks at what changed, for all watchers together: several changes of an object are one."""
SHARE = 9
"""A look that took a second is followed by so many of rest: however much changes, a tenth of the time goes here."""
BOOKMARK = 60.0
"""Seconds between two bookmarks."""
LOOK = 10.0
"""Seconds after which an idle stream looks whether its client is still there."""
LONGEST = 1800
"""Seconds of a stream that did not say how long it wants to be."""
PATIENCE = 30.0
"""Seconds that a client may leave what was sent unread."""
PORTION = 256
"""Events in one write."""
INITIAL_END = "k8s.io/initial-events-end"


class Watching:
    """At most `limit` streams at once. `shape` tells the form that a request wants."""

    def __init__(
        self, mirror: Mirror, clock: Clock, limit: int, shape: Callable[[web.Request, Resource], Shape]
    ) -> None:
        self._mirror = mirror
        self._clock = clock
        self._limit = limit
        self._shape = shape
        self._due: dict[str, float] = {}
        self.watchers = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Stream until the client goes, its time is over or the server ends."""
        resource = resource_of(request, "watch")
        shape, selects = self._shape(request, resource), selector_of(request)
        length = number(request, "timeoutSeconds", LONGEST)
        if self.watchers >= self._limit:
            raise Failure(429, f"{self._limit} watches are open, as many as [edge_api] watches allows")
        self.watchers += 1
        try:
            history = await self._mirror.fresh(resource.kind)
            version, first = _begin(request, history)
            response = web.StreamResponse(headers={"Content-Type": JSON})
            response.enable_chunked_encoding()
            await response.prepare(request)
            stream = _Stream(
                request, response, resource, shape, selects, bookmarks=true(request, "allowWatchBookmarks")
            )
            with suppress(ConnectionError):  # the client went
                await stream.begin(version, first)
                await self._follow(stream, version, self._clock.monotonic() + length)
            return response
        finally:
            self.watchers -= 1

    async def _follow(self, stream: _Stream, version: int, end: float) -> None:
        marked = self._clock.monotonic()
        while not self._mirror.closed and not stream.gone:
            history = await self._look(stream.kind)
            try:
                changes = history.since(version)
            except Expired as error:
                return await stream.fail(expired(str(error)))
            version = history.version
            await stream.tell(changes)
            now = self._clock.monotonic()
            if now >= end:
                return await stream.mark(version)
            if now >= marked + BOOKMARK:
                await stream.mark(version)
                marked = now
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK, end - now)):
                    await self._mirror.stirred(stream.kind, version)
        return None

    async def _look(self, kind: str) -> History:
        """What there is, as soon as it is time to look again."""
        wait = self._due.get(kind, 0.0) - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)
        began = self._clock.monotonic()
        history = await self._mirror.fresh(kind)
        now = self._clock.monotonic()
        self._due[kind] = now + max(PAUSE, SHARE * (now - began))
        return history


class _Stream:
    """One client's stream."""

    def __init__(
        self,
        request: web.Request,
        response: web.StreamResponse,
        resource: Resource,
        shape: Shape,
        selects: Selector,
        *,
        bookmarks: bool,
    ) -> None:
        self.kind = resource.kind
        self._request = request
        self._response = response
        self._shape = shape
        self._selects = selects
        self._bookmarks = bookmarks
        self._initial = true(request, "sendInitialEvents")

    @property
    def gone(self) -> bool:
        """True when nobody reads it any more."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    async def begin(self, version: int, first: Iterable[Entry]) -> None:
        """Tell what there is."""
        await self._write([_line("ADDED", self._shape.one(each.body)) for each in first if self._selects(each)])
        if self._initial:
            await self.mark(version, {INITIAL_END: "true"})

    async def tell(self, changes: Sequence[Change]) -> None:
        await self._write([line for change in changes for line in self._lines(change)])

    async def mark(self, version: int, annotations: dict[str, str] | None = None) -> None:
        """Tell the version up to which all was told, if the client wants to hear that."""
        if self._bookmarks:
            metadata = {"resourceVersion": str(version)} | ({"annotations": annotations} if annotations else {})
            await self._write([_line("BOOKMARK", msgspec.json.encode(self._empty | {"metadata": metadata}))])

    async def fail(self, failure: Failure) -> None:
        """Tell why the stream ends."""
        await self._write([_line("ERROR", msgspec.json.encode(failure.body))])

    @property
    def _empty(self) -> dict[str, object]:
        return {"kind": self.kind, "apiVersion": GROUP_VERSION}

    def _lines(self, change: Change) -> Iterator[bytes]:
        """What the change is to somebody who sees what the selector lets through."""
        before = change.before if change.before is not None and self._selects(change.before) else None
        after = change.after if change.after is not None and self._selects(change.after) else None
        if after is not None:
            yield _line("ADDED" if before is None else "MODIFIED", self._shape.one(after.body))
        elif before is not None:
            yield _line("DELETED", self._shape.one(stamped(before, change.version)))

    async def _write(self, lines: Sequence[bytes]) -> None:
        """Raises `ConnectionError` when the client is gone or does not read."""
        for place in range(0, len(lines), PORTION):
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._response.write(b"".join(lines[place : place + PORTION]))
            except TimeoutError:
                if (transport := self._request.transport) is not None:
                    transport.abort()
                raise ConnectionAbortedError from None


def _begin(request: web.Request, history: History) -> tuple[int, Iterable[Entry]]:
    """The version to follow from, and what to tell before."""
    asked = version_of(request)
    if not asked or true(request, "sendInitialEvents"):
        return history.version, sorted(history.entries.values(), key=lambda entry: entry.key)
    try:
        history.since(asked)
    except Expired as error:
        raise expired(str(error)) from error
    return asked, ()


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)
