"""Where points go within the streams: through the pipelines of their series, past queries, and on as their results."""

from __future__ import annotations

from collections.abc import Mapping

from streams import acceptance
from streams.chain import Chain
from streams.operator import Entry, Operator
from streams.result import Result
from streams.routes import NOWHERE, Route, Routes
from streams.source import parted
from twins.exchange import Event, Point

QUIET = 600_000_000
"""Microseconds between two events that tell of late points of one query."""


class Passage:
    """`limit` is the most keys of all queries together. `events` gathers what people are to be told."""

    def __init__(self, operators: Mapping[str, Operator], routes: Routes, limit: int) -> None:
        self.events: list[Event] = []
        self._operators = operators
        self._routes = routes
        self._limit = limit

    @property
    def keys(self) -> int:
        """Keys that queries keep state of."""
        return sum(len(each.lanes) for each in self._operators.values())

    def keep(self, points: list[Point], route: Route, now: int, stored: list[Point], out: list[Result]) -> None:
        """Keep what all pipelines of a series left, and show it to those that look at it."""
        stored += points
        for point in points:
            for entry in route.entries:
                self._ask(entry, point, now, stored, out)
            for each, strand in route.beside:
                self.emerged(each, each.take(strand, point, now), now, stored, out)

    def emerged(self, source: Chain, points: list[Point], now: int, stored: list[Point], out: list[Result]) -> None:
        """What comes out of a chain later, or beside: in place of a point it goes on to the chains that follow."""
        for point in points:
            if source.replaces:
                route = self._routes.of(point.series, now) or NOWHERE
                left = [point]
                for each, strand in route.replacing:
                    if each.id > source.id:
                        left = [kept for one in left for kept in each.take(strand, one, now)]
                self.keep(left, route, now, stored, out)
                continue
            stored.append(point)
            device, name = parted(point.series)
            out.append(Result(device, name, "", point))
            for entry in self._routes.readers(point.series, device, name):
                self._ask(entry, point, now, stored, out)

    def _ask(self, entry: Entry, point: Point, now: int, stored: list[Point], out: list[Result]) -> None:
        asked = entry.operator
        room = entry.key in asked.lanes or self.keys < self._limit
        results = asked.take(entry, point, now, room)
        if results:
            self.told(asked, results, now, stored, out)
        if asked.late and now >= asked.quiet:
            self.events.append(acceptance.late(asked.id, asked.late, now))
            asked.late, asked.quiet = 0, now + QUIET

    def told(self, asked: Operator, results: list[Result], now: int, stored: list[Point], out: list[Result]) -> None:
        for result in results:
            point = result.point
            stored.append(point)
            out.append(result)
            if asked.id in self._routes.read and not result.corrected:
                for entry in self._routes.readers(point.series, result.device, result.name, result.kind, asked.id):
                    self._ask(entry, point, now, stored, out)
