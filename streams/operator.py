"""One query at work: points into the lanes of their keys, results out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import msgspec
from msgspec import Struct

from streams.expression import Expression
from streams.frames import frame_of
from streams.lane import AHEAD, NEVER, Lane, Origin, Part, Told
from streams.naming import Naming
from streams.query import Query
from streams.result import Counts, Result
from streams.source import Pattern
from twins.duration import microseconds
from twins.exchange import Point
from twins.tally import is_quantile

REVISIONS = (1 << 20) - 1
SOON = 16
"""Looks at what is idle within that time, at most."""


class Entry(Struct, frozen=True, gc=False):
    """A series on its way into a query."""

    operator: Operator
    key: str
    owner: str
    device: str
    name: str


class Operator:
    """Owns the lanes of one query. `due` is when `expire` wants to be called; of points that came too `late` nobody is
    told before `quiet` is over."""

    def __init__(self, query: Query) -> None:
        spec = query.spec
        self.query = query
        self.id = query.id
        self.lanes: dict[str, Lane] = {}
        self.due: int | None = None
        self.late = 0
        self.quiet = 0
        self.counts = Counts()
        self._frame = frame_of(query)
        self._naming = Naming(query)
        self._where = None if spec.where is None else Expression(spec.where)
        self._value = None if spec.value is None else Expression(spec.value)
        self._bound = microseconds(spec.out_of_order)
        self._idle = microseconds(spec.idle)
        self._patterns = [Pattern(each, query.metadata.namespace) for each in spec.sources]
        self._seed = f"{self.id} {shape(query)}"
        self._changed: dict[str, Lane] = {}
        self._deleted: dict[str, None] = {}

    def entry(self, device: str, name: str, kind: str = "", upstream: str = "") -> Entry | None:
        """The way of the series `device/name` into this query, if it is meant; of a query, what `kind` of result."""
        for pattern in self._patterns:
            if pattern.query == upstream and pattern.fits(device, kind if upstream else name):
                key = self._naming.key(device, name)
                return Entry(self, key, self._naming.owner(key), device, name)
        return None

    def take(self, entry: Entry, point: Point, now: int, room: bool = True) -> list[Result]:
        """Take a point that arrived at `now`; without `room` it may lead to no new lane."""
        number = self._number(entry, point)
        if number is None:
            return []
        if point.at > now + AHEAD:
            self.counts.unusable += 1
            return []
        lane = self.lanes.get(entry.key)
        if lane is None:
            if not room:
                self.counts.turned_away += 1
                return []
            lane = self.lanes[entry.key] = Lane(entry.key, entry.owner, self._bound)
        series, at = point.series, point.at
        out: list[Result] = []
        origin = lane.origins.get(series)
        if origin is None:
            out += self._advanced(lane)  # by those that were waited for before
            origin = lane.origins[series] = Origin(at, now)
            lane.settle(lane.next)
        elif at <= origin.at and origin.knows(at, point.seq):
            self.counts.repeats += 1
            return out
        else:
            lane.behind -= origin.at < lane.next + self._bound <= at
            origin.at = max(origin.at, at)
            origin.seen = now
            if origin.idle:
                out += self._advanced(lane)
                origin.idle = False
                lane.settle(lane.next)
                out += self._advanced(lane)
        lane.hear(series)
        origin.note(at, point.seq)
        self._changed[entry.key] = lane
        if lane.next > self._frame.earliest(at):
            out += self._advanced(lane)
        told = self._frame.add(lane, series, at, point.seq, number)
        if told is None:
            self.counts.late += 1
            self.late += 1
        else:
            self.counts.taken += 1
            out += self._results(lane, told)
        if lane.behind <= 0:
            out += self._advanced(lane)
        if self.due is None and lane.next < NEVER:
            self.due = now + self._idle
        return out

    def expire(self, now: int) -> list[Result]:
        """Wait no more for what was silent for too long."""
        out: list[Result] = []
        due = NEVER
        for lane in self.lanes.values():
            if lane.next >= NEVER:
                continue
            first = lane.heard_first()
            if first is None or first + self._idle <= now:
                if lane.rest(now, self._idle):
                    out += self._results(lane, self._frame.close(lane))
                self._changed[lane.key] = lane
            if lane.next < NEVER:
                due = min(due, lane.due(self._idle))
        self.due = max(due, now + self._idle // SOON) if due < NEVER else None
        return out

    def rows(self) -> Iterator[tuple[str, bytes | None]]:
        """What is to be written of the lanes that changed since the last call."""
        for key in self._deleted:
            yield key, None
        self._deleted.clear()
        for lane in self._changed.values():
            for part, body in lane.rows():
                yield self._naming.row(lane, part), body
        self._changed.clear()

    def forget(self, device: str) -> None:
        """A device left: its own lanes go, and nobody waits for it in others."""
        for key, lane in list(self.lanes.items()):
            if lane.device == device:
                self.drop(key)
            elif lane.leave(device):
                self._changed[key] = lane

    def drop(self, key: str) -> None:
        """Delete a lane."""
        lane = self.lanes.pop(key)
        self._changed.pop(key, None)
        self._deleted |= dict.fromkeys(self._naming.row(lane, part) for part in lane.gone())

    def adopt(self, older: Operator, now: int) -> None:
        """Go on with the lanes of an older self of the same shape."""
        self.lanes, self.due, self._changed, self._deleted = older.lanes, older.due, older._changed, older._deleted
        for lane in self.lanes.values():
            lane.bound = self._bound
            lane.settle(self._frame.upcoming(lane))
        if self.due is None and any(lane.next < NEVER for lane in self.lanes.values()):
            self.due = now

    def restore(self, rows: Mapping[str, bytes], now: int) -> int:
        """Take up lanes as they were written; the number of those that could not be read, which begin anew."""
        found: dict[str, dict[Part, bytes]] = {}
        for row, body in rows.items():
            key, part = self._naming.place(row)
            found.setdefault(key, {})[part] = body
        lost = 0
        for key, parts in found.items():
            lane = Lane(key, self._naming.owner(key), self._bound)
            try:
                lane.restore(parts, self._frame, now)
            except (msgspec.MsgspecError, KeyError):
                lost += 1
                self._deleted |= dict.fromkeys(self._naming.row(lane, part) for part in parts)
            else:
                self.lanes[key] = lane
        if any(lane.next < NEVER for lane in self.lanes.values()):
            self.due = now + self._idle
        return lost

    def _number(self, entry: Entry, point: Point) -> float | None:
        """The number to count with; `None` when the point is not looked at."""
        if self._where is not None:
            holds = self._where.holds(point, entry.device, entry.name)
            if holds is not True:
                self.counts.filtered += holds is False
                self.counts.unusable += holds is None
                return None
        number = point.number
        if self._value is not None:
            number = self._value.number(point, entry.device, entry.name)
        if number is None:
            self.counts.unusable += 1
        return number

    def _advanced(self, lane: Lane) -> list[Result]:
        """What ends by the watermark as it is now."""
        return self._results(lane, self._frame.close(lane)) if lane.advance() else []

    def _results(self, lane: Lane, told: list[Told]) -> list[Result]:
        out: list[Result] = []
        for at, ident, values, corrected in told:
            if corrected:
                lane.corrections += 1
                self.counts.corrections += 1
            revision = min(lane.corrections, REVISIONS) if corrected else 0
            text = f"{self._seed} {lane.key} {ident}".encode()
            seq = int.from_bytes(blake2b(text, digest_size=8).digest()) >> 21 << 20 | revision
            for kind, value in values:
                device, name, short = self._naming.result(lane, kind)
                point = Point(f"{device}/{name}", at, seq, value, None)
                out.append(Result(device, name, short, point, corrected))
        self.counts.results += len(out)
        return out


def shape(query: Query) -> str:
    """What state is made by: two versions of a query with the same go on with it."""
    spec = query.spec
    sketch = any(map(is_quantile, spec.aggregates))
    return f"{spec.window} {spec.align} {query.key} {sketch}"
