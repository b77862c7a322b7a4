"""Windows of so many points, in order of arrival: no point is late."""

from __future__ import annotations

from streams.frames.making import Making, read_tally
from streams.lane import NEVER, Lane, Told
from twins.tally import Tally


class Counted:
    """A result after every `step` points, of the last `size`; a part is a pane of `step` points.

    The time of a result is that of its newest point.
    """

    def __init__(self, size: int, step: int, making: Making) -> None:
        self._panes = size // step
        self._step = step
        self._making = making
        self.read = read_tally

    def earliest(self, at: int) -> int:
        return NEVER

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        number = lane.count // self._step
        pane: Tally | None = lane.parts.get(number)
        if pane is None:
            pane = lane.parts[number] = self._making.empty()
        pane.add(at, seq, value)
        lane.touch(number)
        lane.count += 1
        first = number + 1 - self._panes
        if lane.count % self._step or first < 0:
            return []
        whole = self._making.merged([lane.parts[each] for each in range(first, number + 1)])
        lane.drop(first)
        return [Told(whole.last[0], number, self._making.values(whole))]

    def close(self, lane: Lane) -> list[Told]:
        return []

    def upcoming(self, lane: Lane) -> int:
        return NEVER
