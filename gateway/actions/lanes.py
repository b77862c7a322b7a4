"""What waits to be done, in one lane for each target: in order, and none waits for another's target. Pure.

A lane whose target is away rests; its actions keep their order. Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

import heapq
from bisect import insort

from msgspec import Struct

from gateway.actions.task import width
from rules.instructions import Act
from runtime.backoff import Backoff

EACH = 512
"""Bytes that an action takes beside its own words."""
MOST = 256
"""Actions under way at once, whatever their targets."""


class Waiting(Struct, order=True):
    """An action, the `number`-th that came, of so many bytes, and how often it was tried."""

    number: int
    act: Act
    size: int
    tries: int = 0


class _Lane:
    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.flying = 0
        self.until = 0.0
        self.backoff = Backoff(first=0.5, limit=60.0)


class Lanes:
    """At most `quota` bytes wait: beyond, those that came first go, wherever they want to."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.bytes = 0
        self._number = 0
        self._flying = 0
        self._lanes: dict[str, _Lane] = {}
        self._all: dict[str, Waiting] = {}
        """Those that wait, by id."""
        self._rests: list[tuple[float, str]] = []
        self._ready: dict[str, None] = {}

    def __len__(self) -> int:
        """How many wait or are under way."""
        return len(self._all) + self._flying

    @property
    def due(self) -> float | None:
        """When the next rest ends."""
        return self._rests[0][0] if self._rests else None

    @property
    def away(self) -> list[str]:
        """Targets that did not answer last time."""
        return [target for target, lane in self._lanes.items() if lane.backoff.tries]

    def add(self, act: Act, size: int) -> list[Act]:
        """Put an action behind all others of its target; what has to go for that. One that waits already is ignored."""
        if act.id in self._all:
            return []
        self._number += 1
        self._put(Waiting(self._number, act, EACH + size))
        gone = []
        while self.bytes > self.quota and self._all:
            gone.append(self._drop(min(lane.waiting[0] for lane in self._lanes.values() if lane.waiting)))
        return gone

    def take(self, now: float) -> Waiting | None:
        """What is to be done next. It is under way until `done` or `back`."""
        while self._rests and self._rests[0][0] <= now:
            self._wake(heapq.heappop(self._rests)[1], now)
        if not self._ready or self._flying >= MOST:
            return None
        target = next(iter(self._ready))
        lane = self._lanes[target]
        waiting = lane.waiting.pop(0)
        del self._all[waiting.act.id], self._ready[target]
        self.bytes -= waiting.size
        lane.flying += 1
        self._flying += 1
        self._settle(target, now)  # behind the others: targets take turns
        return waiting

    def done(self, waiting: Waiting, now: float) -> None:
        """It needs to be done no more; `now` its target answers."""
        target, lane = self._landed(waiting)
        lane.backoff.reset()
        lane.until = 0.0
        self._settle(target, now)
        if not lane.waiting and not lane.flying:
            del self._lanes[target]

    def back(self, waiting: Waiting, now: float, *, least: float = 0.0) -> bool:
        """Its target is away, for `least` seconds at least: it keeps its place. True for the first of an absence."""
        target, lane = self._landed(waiting)
        first = not lane.backoff.tries
        waiting.tries += 1
        self._put(waiting)
        if lane.until <= now:  # of many under way one is enough
            lane.until = now + max(least, lane.backoff.next())
        heapq.heappush(self._rests, (lane.until, target))
        self._ready.pop(target, None)
        return first

    def land(self, waiting: Waiting) -> None:
        """It was given up half-way, for no fault of its target's."""
        target, _ = self._landed(waiting)
        self._put(waiting)
        self._settle(target, 0.0)

    def _put(self, waiting: Waiting) -> None:
        target = waiting.act.task.target
        lane = self._lanes.setdefault(target, _Lane())
        insort(lane.waiting, waiting)
        self._all[waiting.act.id] = waiting
        self.bytes += waiting.size
        if not lane.until:
            self._settle(target, 0.0)

    def _wake(self, target: str, now: float) -> None:
        lane = self._lanes.get(target)
        if lane is not None and lane.until <= now:
            lane.until = 0.0
            self._settle(target, now)

    def _drop(self, waiting: Waiting) -> Act:
        target = waiting.act.task.target
        lane = self._lanes[target]
        lane.waiting.remove(waiting)
        del self._all[waiting.act.id]
        self.bytes -= waiting.size
        if not lane.waiting:
            self._ready.pop(target, None)
            if not lane.flying:
                del self._lanes[target]
        return waiting.act

    def _landed(self, waiting: Waiting) -> tuple[str, _Lane]:
        target = waiting.act.task.target
        lane = self._lanes[target]
        lane.flying -= 1
        self._flying -= 1
        return target, lane

    def _settle(self, target: str, now: float) -> None:
        lane = self._lanes.get(target)
        if lane is not None and lane.waiting and lane.until <= now and lane.flying < width(lane.waiting[0].act.task):
            self._ready.setdefault(target)
