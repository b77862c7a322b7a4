"""All pipelines and queries of the gateway: points in, points to keep and results out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, structs

from streams import acceptance, chain, naming
from streams.chain import Chain
from streams.operator import Operator, shape
from streams.passage import Passage
from streams.pipeline import Pipeline
from streams.query import Query
from streams.result import Counts, Offers, Result, total
from streams.routes import Routes
from twins.errors import Rejected
from twins.exchange import Event, Point

Manifest = Query | Pipeline


class Changes(Struct, frozen=True):
    """What is to be written with the batch: rows by key, timers by name (`None` deletes), events."""

    rows: dict[str, bytes | None]
    timers: dict[str, int | None]
    events: list[Event]


class Streams:
    """Owned by the sequencer. `secret` gives the key of pseudonyms; `limit` is the most keys of all queries together.

    Points that are to be kept are appended to `stored`; results are handed back for the rules.
    """

    def __init__(self, secret: Callable[[], bytes] = bytes, *, limit: int = 50_000) -> None:
        self._past = Counts(), Offers()
        self._secret = secret
        self._chains: dict[str, Chain] = {}
        self._operators: dict[str, Operator] = {}
        self._routes = Routes(self._chains, self._operators)
        self._passage = Passage(self._operators, self._routes, limit)
        self._timers: dict[str, int] = {}
        self._rows: dict[str, bytes | None] = {}

    def __len__(self) -> int:
        return len(self._chains) + len(self._operators)

    @property
    def counts(self) -> Counts:
        """What became of points in all queries, also in those that are gone."""
        return total(self._past[0], *(each.counts for each in self._operators.values()))

    @property
    def offers(self) -> Offers:
        """What became of points in all pipelines, also in those that are gone."""
        return total(self._past[1], *(each.offers for each in self._chains.values()))

    @property
    def keys(self) -> int:
        """Keys that queries keep state of."""
        return self._passage.keys

    @property
    def held(self) -> int:
        """Points that wait in pipelines."""
        return sum(each.held for each in self._chains.values())

    def take(self, point: Point, now: int, stored: list[Point]) -> Sequence[Result]:
        """Take a point of a device that arrived at `now`, microseconds UTC."""
        route = self._routes.of(point.series, now)
        if route is None:
            stored.append(point)
            return ()
        points = [point]
        for each, strand in route.replacing:
            points = [out for one in points for out in each.take(strand, one, now)]
        out: list[Result] = []
        self._passage.keep(points, route, now, stored, out)
        return out

    def standing(self, kind: str, name: str) -> dict[str, int]:
        """What became of points in the `Query` or `Pipeline` of this id, and what it keeps now; empty without it."""
        if kind == "Pipeline":
            found = self._chains.get(name)
            return {} if found is None else structs.asdict(found.offers) | {"held": found.held}
        asked = self._operators.get(name)
        return {} if asked is None else structs.asdict(asked.counts) | {"keys": len(asked.lanes)}

    def owns(self, timer: str) -> bool:
        """Whether a timer is one of `changes`."""
        return timer.startswith((naming.PREFIX, chain.PREFIX))

    def expire(self, timer: str, now: int, stored: list[Point]) -> Sequence[Result]:
        """A timer of `changes` is due. One of what is gone does nothing."""
        self._timers.pop(timer, None)
        out: list[Result] = []
        if timer.startswith(naming.PREFIX):
            found = self._operators.get(timer.removeprefix(naming.PREFIX))
            if found is not None:
                self._passage.told(found, found.expire(now), now, stored, out)
        elif each := self._chains.get(timer.removeprefix(chain.PREFIX)):
            self._passage.emerged(each, each.expire(now), now, stored, out)
        return out

    def apply(self, manifest: Manifest, now: int, stored: list[Point]) -> Sequence[Result]:
        """Add a query or pipeline, or put it in place of its older self. Raises `Rejected`; then nothing has changed.

        A pipeline that changed lets go what waits in it. A query keeps its windows if they are the same.
        """
        out: list[Result] = []
        if isinstance(manifest, Query):
            self._query(manifest, now)
        else:
            self._pipeline(manifest, now, stored, out)
        self._routes.clear()
        return out

    def remove(self, kind: str, name: str, now: int, stored: list[Point]) -> Sequence[Result]:
        """Remove the `Query` or `Pipeline` of this id with its state. Raises `Rejected` while another reads it."""
        out: list[Result] = []
        if kind == "Pipeline":
            if (gone := self._chains.get(name)) is not None:
                self._passage.emerged(gone, gone.flush(), now, stored, out)
                self._discard(gone)
                self._past = self._past[0], total(self._past[1], gone.offers)
                del self._chains[name]
        elif (found := self._operators.get(name)) is not None:
            readers = [each.id for each in self._operators.values() if name in each.query.upstreams]
            if readers:
                raise Rejected(f"Query {', '.join(readers)} reads its results: delete that first", 409)
            self._clear(found)
            self._past = total(self._past[0], found.counts), self._past[1]
            del self._operators[name]
        self._routes.clear()
        return out

    def forget(self, device: str, now: int, stored: list[Point]) -> Sequence[Result]:
        """A device left."""
        out: list[Result] = []
        for each in self._chains.values():
            self._passage.emerged(each, each.forget(device), now, stored, out)
        for one in self._operators.values():
            one.forget(device)
        self._routes.clear()
        return out

    def restore(self, manifests: Iterable[Manifest], rows: dict[str, bytes], now: int) -> list[str]:
        """Take up what holds and what `changes` wrote of it; what does not hold any more, in words.

        What fell silent before is waited for as if it had spoken now.
        """
        faults: list[str] = []
        waiting = sorted(manifests, key=lambda each: (isinstance(each, Query), each.id))
        while waiting:
            ready = [m for m in waiting if not isinstance(m, Query) or m.upstreams <= self._operators.keys()]
            for manifest in ready or waiting:
                try:
                    self.apply(manifest, now, [])
                except Rejected as error:
                    faults.append(f"{manifest.kind} {manifest.id} does not hold any more: {error}")
            waiting = [manifest for manifest in waiting if ready and manifest not in ready]
        self._take_up(rows, now)
        return faults

    def changes(self) -> Changes:
        """What changed since the last call: write it in the commit of what was taken."""
        rows, self._rows = self._rows, {}
        events, self._passage.events = self._passage.events, []
        timers: dict[str, int | None] = {}
        for prefix, group in ((naming.PREFIX, self._operators), (chain.PREFIX, self._chains)):
            for name, each in group.items():
                rows.update(each.rows())
                if each.due is not None and self._timers.get(prefix + name) != each.due:
                    timers[prefix + name] = self._timers[prefix + name] = each.due
        for timer in [timer for timer in self._timers if not self._wanted(timer)]:
            del self._timers[timer]
            timers[timer] = None
        return Changes(rows, timers, events)

    def _query(self, query: Query, now: int) -> None:
        older = self._operators.get(query.id)
        if older is not None and older.query == query:
            return
        acceptance.check(query, {name: each.query for name, each in self._operators.items() if name != query.id})
        fresh = Operator(query)
        if older is not None:
            fresh.counts = older.counts
            if shape(older.query) == shape(query):
                fresh.adopt(older, now)
            else:
                self._clear(older)
                self._passage.events.append(acceptance.anew(query.id, now, "its windows are others now"))
        self._operators[query.id] = fresh

    def _pipeline(self, pipeline: Pipeline, now: int, stored: list[Point], out: list[Result]) -> None:
        older = self._chains.get(pipeline.id)
        if older is not None and older.pipeline == pipeline:
            return
        fresh = Chain(pipeline, self._secret)
        if older is not None:
            fresh.offers = older.offers
            if older.pipeline.spec.steps == pipeline.spec.steps:
                fresh.adopt(older)
            else:
                self._passage.emerged(older, older.flush(), now, stored, out)
                self._discard(older)
        self._chains[pipeline.id] = fresh
        for name in sorted(self._chains):  # the order in which they follow one another
            self._chains[name] = self._chains.pop(name)

    def _take_up(self, rows: dict[str, bytes], now: int) -> None:
        owned: dict[str, dict[str, bytes]] = {}
        for row, body in rows.items():
            owned.setdefault("/".join(row.split("/", 2)[:2]), {})[row] = body
        for prefix, group in ((naming.PREFIX, self._operators), (chain.PREFIX, self._chains)):
            for name, each in group.items():
                lost = each.restore(owned.get(prefix + name, {}), now)
                if lost:
                    self._passage.events.append(
                        acceptance.anew(name, now, f"{lost} of its states could not be read back")
                    )

    def _clear(self, found: Operator) -> None:
        for key in list(found.lanes):
            found.drop(key)
        self._rows.update(found.rows())

    def _discard(self, gone: Chain) -> None:
        self._rows.update(gone.rows())
        self._rows.update(dict.fromkeys(gone.drop()))

    def _wanted(self, timer: str) -> bool:
        if timer.startswith(naming.PREFIX):
            found: Operator | Chain | None = self._operators.get(timer.removeprefix(naming.PREFIX))
        else:
            found = self._chains.get(timer.removeprefix(chain.PREFIX))
        return found is not None and found.due is not None
