"""Several series on one clock: a value of each at every tick, by one of three methods."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence

import msgspec

from streams.lane import NEVER, Lane, Told
from streams.query import Align
from twins.duration import microseconds
from twins.tally import Value, added

POINTS = 4096
"""Points that are kept of a series; the oldest go first."""
FEW = 64
"""Ticks that are looked at one by one when they end; of more only those that a point can make."""
Buffer = tuple[str, list[Value]]
"""A part of a lane: a series and its points, sorted."""


class Aligned:
    """A tick is told when all that can change its row has come: `last` waits for its own time, `mean` for the next
    tick, `linear` for a gap. The time of a row is its tick; its values are named by their series."""

    def __init__(self, align: Align, late: int) -> None:
        self._every = microseconds(align.every)
        self._gap = microseconds(align.max_gap)
        self._late = late
        self._complete = align.complete
        self._method = align.method
        self._back, self._ahead, self._wait = {
            "last": (0, self._gap, 1),
            "linear": (self._gap, self._gap, self._gap + 1),
            "mean": (self._every - 1, 0, self._every),
        }[align.method]
        self._value = {"last": self._last, "linear": self._linear, "mean": self._mean}[align.method]
        self.read = msgspec.msgpack.Decoder(Buffer).decode

    def earliest(self, at: int) -> int:
        return _up(at - self._back, self._every) + self._wait

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        ticks = self._ticks(at)
        if not ticks:
            return []  # it is nearer than the gap to none
        if ticks[-1] + self._wait + self._late <= lane.mark:
            return None
        told = [tick for tick in ticks if tick + self._wait <= lane.mark < tick + self._wait + self._late]
        before = [self._row(lane, tick) for tick in told]
        number, values = self._buffer(lane, name)
        insort(values, (at, seq, value))
        if len(values) > POINTS:
            del values[0]
        lane.touch(number)
        lane.expect(self._first(ticks, lane.mark))
        news = []
        for tick, row in zip(told, before, strict=True):
            changed = [(series, v) for series, v in self._row(lane, tick).items() if row.get(series) != v]
            if changed:
                news.append(Told(tick, tick, changed, corrected=True))
        return news

    def close(self, lane: Lane) -> list[Told]:
        first = _up(lane.next - self._wait, self._every)
        ticks = range(first, lane.mark - self._wait + 1, self._every)
        rows = [(tick, row) for tick in self._fewer(lane, ticks) if (row := self._row(lane, tick))]
        self._forget(lane)
        lane.settle(self.upcoming(lane))
        return [Told(tick, tick, list(row.items())) for tick, row in rows]

    def upcoming(self, lane: Lane) -> int:
        limit = _up(lane.mark - self._wait + 1, self._every)
        ends = (self._after(values, limit) for _, values in lane.parts.values())
        return min(ends, default=NEVER)

    def _after(self, values: list[Value], limit: int) -> int:
        """When the first tick from `limit` on ends that a point of a series can make."""
        for place in range(bisect_left(values, (limit - self._ahead,)), len(values)):
            at = values[place][0]
            tick = max(limit, _up(at - self._back, self._every))
            if tick <= at + self._ahead:
                return tick + self._wait
        return NEVER

    def _fewer(self, lane: Lane, ticks: range) -> Sequence[int]:
        if len(ticks) <= FEW:
            return ticks
        found: set[int] = set()
        for _, values in lane.parts.values():
            low = bisect_left(values, (ticks[0] - self._ahead,))
            for at, _, _ in values[low : bisect_left(values, (ticks[-1] + self._back + 1,))]:
                found.update(tick for tick in self._ticks(at) if ticks[0] <= tick <= ticks[-1])
        return sorted(found)

    def _buffer(self, lane: Lane, name: str) -> tuple[int, list[Value]]:
        """The part of a series."""
        if not lane.places or len(lane.places) != len(lane.parts):
            lane.places = {series: number for number, (series, _) in lane.parts.items()}
        number = lane.places.get(name)
        if number is None:
            number = lane.places[name] = lane.count
            lane.count += 1
            lane.parts[number] = (name, [])
        return number, lane.parts[number][1]

    def _ticks(self, at: int) -> range:
        """The ticks whose value a point may make."""
        return range(_up(at - self._back, self._every), at + self._ahead + 1, self._every)

    def _first(self, ticks: range, mark: int) -> int:
        """When the first of these ends that is not told yet."""
        first = max(ticks.start, _up(mark - self._wait + 1, self._every))
        return first + self._wait if first < ticks.stop else NEVER

    def _row(self, lane: Lane, tick: int) -> dict[str, float]:
        found = ((series, self._value(values, tick)) for series, values in lane.parts.values())
        row = {series: value for series, value in found if value is not None and math.isfinite(value)}
        return {} if self._complete and len(row) < len(lane.origins) else row

    def _forget(self, lane: Lane) -> None:
        oldest = lane.mark - self._wait - self._late - self._ahead
        for number, (series, values) in list(lane.parts.items()):
            if values[0][0] > oldest:
                continue
            del values[: bisect_left(values, (oldest + 1,))]
            if values:
                lane.touch(number)
            else:
                lane.drop(number)
                lane.places.pop(series, None)

    def _last(self, values: list[Value], tick: int) -> float | None:
        place = bisect_left(values, (tick + 1,))
        if not place or tick - values[place - 1][0] > self._gap:
            return None
        return values[place - 1][2]

    def _linear(self, values: list[Value], tick: int) -> float | None:
        place = bisect_left(values, (tick + 1,))
        if place and values[place - 1][0] == tick:
            return values[place - 1][2]
        if not 0 < place < len(values):
            return None
        (left, _, low), (right, _, high) = values[place - 1], values[place]
        if right - left > self._gap:
            return None
        return low + (high - low) * ((tick - left) / (right - left))

    def _mean(self, values: list[Value], tick: int) -> float | None:
        within = values[bisect_left(values, (tick,)) : bisect_left(values, (tick + self._every,))]
        return added(value for _, _, value in within) / len(within) if within else None


def _up(at: int, every: int) -> int:
    """The first tick at or after a time."""
    return -(-at // every) * every
