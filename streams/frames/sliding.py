"""Sliding windows: for each point the aggregate of what came in so long up to it."""

from __future__ import annotations

from bisect import bisect_left, insort

import msgspec

from streams.frames.making import Making
from streams.lane import NEVER, Lane, Told
from twins.tally import Value

CHUNKS = 8
"""Parts in which a window's points are kept, so that a new point leads to a small row."""
POINTS = 20_000
"""Points that a lane keeps; the oldest go first."""


class Sliding:
    """Over (time - size, time] of each point, told when no earlier one is waited for; its time is the point's.

    A late point corrects the results of all points that follow it within the size.
    """

    def __init__(self, size: int, late: int, making: Making) -> None:
        self._size = size
        self._late = late
        self._making = making
        self._chunk = max(1, (size + late) // CHUNKS)
        self.read = msgspec.msgpack.Decoder(list[Value]).decode

    def earliest(self, at: int) -> int:
        return at

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        if at + self._late < lane.mark:
            return None
        part = at // self._chunk
        insort(lane.parts.setdefault(part, []), (at, seq, value))
        lane.touch(part)
        lane.count += 1
        if lane.count > POINTS:
            self._shrink(lane)
        if at > lane.mark:
            lane.expect(at)
            return []
        last = min(at + self._size - 1, lane.mark)
        return self._told(self._between(lane, at - self._size + 1, last), at, last, corrected=True)

    def close(self, lane: Lane) -> list[Told]:
        values = self._between(lane, lane.next - self._size + 1, NEVER)
        told = self._told(values, lane.next, lane.mark)
        oldest = lane.mark - self._size - self._late
        for part in [part for part in lane.parts if (part + 1) * self._chunk <= oldest]:
            lane.count -= len(lane.parts[part])
            lane.drop(part)
        after = bisect_left(values, (lane.mark + 1,))
        lane.settle(values[after][0] if after < len(values) else NEVER)
        return told

    def upcoming(self, lane: Lane) -> int:
        following = self._between(lane, lane.mark + 1, NEVER)
        return following[0][0] if following else NEVER

    def _told(self, values: list[Value], first: int, last: int, *, corrected: bool = False) -> list[Told]:
        """The results of all points from `first` to `last`; `values` reach a size back."""
        spans: list[tuple[int, int]] = []
        place = bisect_left(values, (first,))
        while place < len(values) and (at := values[place][0]) <= last:
            place = bisect_left(values, (at + 1,), place)  # after all of the same time
            spans.append((bisect_left(values, (at - self._size + 1,)), place))
        told = []
        for (_, end), tally in zip(spans, self._making.tallies(values, spans), strict=True):
            at = values[end - 1][0]
            told.append(Told(at, at, self._making.values(tally), corrected))
        return told

    def _between(self, lane: Lane, first: int, last: int) -> list[Value]:
        low, high = first // self._chunk, last // self._chunk
        values: list[Value] = []
        for part in sorted(lane.parts):
            if low <= part <= high:
                values += lane.parts[part]
        return values[bisect_left(values, (first,)) : bisect_left(values, (last + 1,))]

    def _shrink(self, lane: Lane) -> None:
        oldest = min(lane.parts)
        lane.count -= len(lane.parts[oldest])
        lane.drop(oldest)
