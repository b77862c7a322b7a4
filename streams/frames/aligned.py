"""Several series on one clock: a value of each at every tick, by one of three methods."""

from __future__ import annotations

import math
from bisect import bisect_left, insort

import msgspec

from streams.lane import NEVER, Lane, Told
from streams.query import Align
from streams.tally import Value
from twins.duration import microseconds

POINTS = 4096
"""Points that are kept of a series; the oldest go first."""
ALL = 0
"""The one part of a lane: the points of each series, sorted."""
Buffers = dict[str, list[Value]]


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
        self.read = msgspec.msgpack.Decoder(Buffers).decode

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
        buffers: Buffers = lane.parts.setdefault(ALL, {})
        values = buffers.setdefault(name, [])
        insort(values, (at, seq, value))
        if len(values) > POINTS:
            del values[0]
        lane.touch(ALL)
        lane.expect(self._first(ticks, lane.mark))
        news = []
        for tick, row in zip(told, before, strict=True):
            changed = [(series, v) for series, v in self._row(lane, tick).items() if row.get(series) != v]
            if changed:
                news.append(Told(tick, tick, changed, corrected=True))
        return news

    def close(self, lane: Lane) -> list[Told]:
        first, last = lane.next - self._wait, lane.mark - self._wait
        buffers: Buffers = lane.parts[ALL]
        ticks: set[int] = set()
        for values in buffers.values():
            low, high = bisect_left(values, (first - self._ahead,)), bisect_left(values, (last + self._back + 1,))
            for at, _, _ in values[low:high]:
                ticks.update(tick for tick in self._ticks(at) if first <= tick <= last)
        rows = [(tick, row) for tick in sorted(ticks) if (row := self._row(lane, tick))]
        self._forget(lane, buffers)
        lane.settle(self.upcoming(lane))
        return [Told(tick, tick, list(row.items())) for tick, row in rows]

    def upcoming(self, lane: Lane) -> int:
        buffers: Buffers = lane.parts.get(ALL, {})
        firsts = (self._first(self._ticks(at), lane.mark) for values in buffers.values() for at, _, _ in values)
        return min(firsts, default=NEVER)

    def _ticks(self, at: int) -> range:
        """The ticks whose value a point may make."""
        return range(_up(at - self._back, self._every), at + self._ahead + 1, self._every)

    def _first(self, ticks: range, mark: int) -> int:
        """When the first of these ends that is not told yet."""
        first = max(ticks.start, _up(mark - self._wait + 1, self._every))
        return first + self._wait if first < ticks.stop else NEVER

    def _row(self, lane: Lane, tick: int) -> dict[str, float]:
        buffers: Buffers = lane.parts.get(ALL, {})
        found = ((series, self._value(values, tick)) for series, values in buffers.items())
        row = {series: value for series, value in found if value is not None and math.isfinite(value)}
        return {} if self._complete and len(row) < len(lane.origins) else row

    def _forget(self, lane: Lane, buffers: Buffers) -> None:
        oldest = lane.mark - self._wait - self._late - self._ahead
        for series in list(buffers):
            values = buffers[series]
            if values[0][0] <= oldest:
                lane.touch(ALL)
                buffers[series] = values[bisect_left(values, (oldest + 1,)) :]
                if not buffers[series]:
                    del buffers[series]

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
        return math.fsum(value for _, _, value in within) / len(within) if within else None


def _up(at: int, every: int) -> int:
    """The first tick at or after a time."""
    return -(-at // every) * every
