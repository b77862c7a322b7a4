"""Tumbling and hopping windows: panes of one step each, merged when a window is told."""

from __future__ import annotations

from streams.frames.making import Making, read_tally
from streams.lane import NEVER, Lane, Told
from twins.tally import Tally


class Grid:
    """Windows from `start` until just before `start + size`, one at every multiple of `step`; a part is a pane.

    The time of a result is its window's start.
    """

    def __init__(self, size: int, step: int, late: int, making: Making) -> None:
        self._size = size
        self._step = step
        self._late = late
        self._making = making
        self.read = read_tally

    def earliest(self, at: int) -> int:
        return at - at % self._step + self._step

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        start = at - at % self._step
        if start + self._size + self._late <= lane.mark:
            return None
        pane: Tally | None = lane.parts.get(start)
        if pane is None:
            pane = lane.parts[start] = self._making.empty()
        pane.add(at, seq, value)
        lane.touch(start)
        end = start + self._step
        if end > lane.mark:
            lane.expect(end)
            return []
        lane.expect(self._next(start, lane.mark))
        ends = range(end, start + self._size + 1, self._step)
        return [self._told(lane, end, corrected=True) for end in ends if end <= lane.mark < end + self._late]

    def close(self, lane: Lane) -> list[Told]:
        first, mark, step, size = lane.next, lane.mark, self._step, self._size
        ends = {
            end
            for start in lane.parts
            for end in range(max(start + step, first), min(start + size, mark) + 1, step)
        }  # fmt: skip
        told = [self._told(lane, end) for end in sorted(ends)]
        for start in [start for start in lane.parts if start + size + self._late <= mark]:
            lane.drop(start)
        lane.settle(self.upcoming(lane))
        return told

    def upcoming(self, lane: Lane) -> int:
        return min((self._next(start, lane.mark) for start in lane.parts), default=NEVER)

    def _next(self, start: int, mark: int) -> int:
        """The first end after `mark` of a window that holds this pane."""
        end = max(start, mark - mark % self._step) + self._step
        return end if end <= start + self._size else NEVER

    def _told(self, lane: Lane, end: int, *, corrected: bool = False) -> Told:
        start = end - self._size
        panes = [lane.parts[pane] for pane in range(start, end, self._step) if pane in lane.parts]
        return Told(start, start, self._making.values(self._making.merged(panes)), corrected)
