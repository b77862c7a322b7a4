"""Where points go: for each series the pipelines and queries that mean it, found once."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from streams.chain import Chain, Strand
from streams.operator import Entry, Operator
from streams.source import parted

SERIES = 200_000
"""Series whose way is remembered; beyond that the index starts afresh."""


class Route(Struct, frozen=True):
    """The way of a device's series: chains that replace its points, chains beside, queries."""

    replacing: tuple[tuple[Chain, Strand], ...] = ()
    beside: tuple[tuple[Chain, Strand], ...] = ()
    entries: tuple[Entry, ...] = ()


NOWHERE = Route()
_UNKNOWN = Route()


class Routes:
    """An index over chains, in their order, and operators; `clear` it when they change.

    `read` are the queries whose results another one reads.
    """

    def __init__(self, chains: Mapping[str, Chain], operators: Mapping[str, Operator]) -> None:
        self.read: set[str] = set()
        self._chains = chains
        self._operators = operators
        self._routes: dict[str, Route | None] = {}
        self._readers: dict[str, tuple[Entry, ...]] = {}

    def of(self, series: str, now: int) -> Route | None:
        """The way of a device's series; `None` when nobody looks at it. Costs one look-up once it is known."""
        route = self._routes.get(series, _UNKNOWN)
        if route is _UNKNOWN:
            if len(self._routes) >= SERIES:
                self._routes.clear()
            route = self._routes[series] = self._found(series, now)
        return route

    def readers(self, series: str, device: str, name: str, kind: str = "", upstream: str = "") -> tuple[Entry, ...]:
        """The queries that look at a series that was made here; of a query, of this `kind` of its results."""
        found = self._readers.get(series)
        if found is None:
            entries = (each.entry(device, name, kind, upstream) for each in self._operators.values())
            found = self._readers[series] = tuple(entry for entry in entries if entry is not None)
        return found

    def clear(self) -> None:
        self._routes.clear()
        self._readers.clear()
        self.read = {name for each in self._operators.values() for name in each.query.upstreams}

    def _found(self, series: str, now: int) -> Route | None:
        device, name = parted(series)
        found = [(each, strand) for each in self._chains.values() if (strand := each.strand(series, now)) is not None]
        entries = tuple(e for each in self._operators.values() if (e := each.entry(device, name)) is not None)
        if not found and not entries:
            return None
        replacing = tuple(pair for pair in found if pair[0].replaces)
        return Route(replacing, tuple(pair for pair in found if not pair[0].replaces), entries)
