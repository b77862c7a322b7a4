"""Timers of rules and queries: deadlines are rows of the journal, so they outlive the process.

A deadline is wall time in microseconds. The heap is ordered by it; a changed timer leaves its old entry behind, which
is skipped when its turn comes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable

from runtime.clock import Clock
from twins.exchange import Batch

LOOK_AGAIN = 1.0
"""Seconds after which the wall clock is read again, so that a jump of it delays no timer for longer."""
STALE = 1024
"""Entries of changed timers that may lie in the heap; a watchdog leaves one behind with every message."""


class Timers:
    """All pending timers: `set` and `fired` keep memory and batch in step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, tuple[int, bytes]] = {}
        self._heap: list[tuple[int, str]] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def restore(self, timers: dict[str, tuple[int, bytes]]) -> None:
        self._due.update(timers)
        self._heap = [(due, timer) for timer, (due, _) in self._due.items()]
        heapq.heapify(self._heap)

    def set(self, timer: str, due: int | None, body: bytes, batch: Batch) -> None:
        """Set a timer to a new deadline, or take it back with `None`."""
        if due is None:
            self._due.pop(timer, None)
            batch.timers[timer] = None
            return
        self._due[timer] = (due, body)
        batch.timers[timer] = (due, body)
        heapq.heappush(self._heap, (due, timer))
        if len(self._heap) > 2 * len(self._due) + STALE:
            self._heap = [(when, each) for each, (when, _) in self._due.items()]
            heapq.heapify(self._heap)
        if self._heap[0] == (due, timer):
            self._changed.set()

    def fired(self, timer: str, due: int, batch: Batch) -> bool:
        """The timer's stimulus is taken: it is pending no more. `False` when it was changed meanwhile."""
        current = self._due.get(timer)
        if current is None or current[0] != due:
            return False
        del self._due[timer]
        batch.timers[timer] = None
        return True

    async def run(self, expire: Callable[[str, int, str], Awaitable[None]]) -> None:
        """Call `expire(timer, due, cause)` for each timer when it is due; it stays pending until it is taken."""
        while True:
            now = self._clock.now()
            while self._heap and self._heap[0][0] <= now:
                due, timer = heapq.heappop(self._heap)
                current = self._due.get(timer)
                if current is not None and current[0] == due:
                    await expire(timer, due, current[1].decode() or timer)
            self._changed.clear()
            wait = (self._heap[0][0] - self._clock.now()) / 1e6 if self._heap else LOOK_AGAIN
            try:
                async with asyncio.timeout(max(0.001, min(wait, LOOK_AGAIN))):
                    await self._changed.wait()
            except TimeoutError:
                pass
