"""Timers of rules and queries: deadlines are rows of the journal, so they outlive the process.

Theory of operation. A deadline is a number of microseconds on one of two scales. What lasts, a timer of a rule or the
time that a condition must hold, is due in `Steady` time, so a jump of the wall clock changes nothing about it. What is
a time of day, a schedule of a rule or the end of a query's window, is due in wall time and follows every jump. Each
scale has its heap; a changed timer leaves its old entry behind, which is skipped when its turn comes.

With every commit that changes timers goes a mark of both clocks, from which the next life goes on. A jump of the wall
clock is noticed within a second and marked at once; while a timer waits that counts only while the gateway runs, there
is a mark a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.deadlines import Deadlines
from gateway.steady import Steady
from rules.late import Start
from rules.manifest.schedule import AT
from runtime.clock import Clock
from twins.exchange import Batch, Mark

LOOK_AGAIN = 1.0
"""Seconds after which the wall clock is read again, so that a jump of it delays no time of day for longer."""
STALE = 1024
"""Entries of changed timers that may lie in a heap; a watchdog leaves one behind with every message."""
CLOCK = "$clock"
"""The name of the timer that is none: its turn only carries a mark of the clocks."""

Expire = Callable[[str, int, str], Awaitable[None]]


class Timers:
    """All pending timers: `set` and `fired` keep memory and batch in step."""

    def __init__(self, clock: Clock) -> None:
        self.steady = Steady(clock)
        self._clock = clock
        self._due: dict[str, tuple[int, bytes]] = {}
        self._lasting = Deadlines()
        self._daily = Deadlines()
        self._pausing: set[str] = set()
        self._marked = Mark(0, 0)
        self._asked = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def restore(self, timers: dict[str, tuple[int, bytes]], mark: Mark | None = None) -> Start:
        """Take up timers and clocks of an earlier life.

        Without a mark the deadlines are taken for wall time, as they were before there were marks.
        """
        self._due.update(timers)
        self._fill(self._lasting)
        self._fill(self._daily)
        found = self.steady.resume(mark)
        self._marked = self.steady.mark() if mark is None else mark
        return found

    def set(self, timer: str, due: int | None, body: bytes, batch: Batch, *, pauses: bool = False) -> None:
        """Set a timer to a new deadline, or take it back with `None`; one that `pauses` does not go on without us."""
        self._pausing.discard(timer)
        if due is None:
            self._due.pop(timer, None)
            batch.timers[timer] = None
            return
        self._due[timer] = (due, body)
        batch.timers[timer] = (due, body)
        if pauses:
            self._pausing.add(timer)
        deadlines = self._lasting if lasts(timer) else self._daily
        if deadlines.push(due, timer):
            self._changed.set()
        if len(deadlines) > 2 * len(self._due) + STALE:
            self._fill(deadlines)

    def fired(self, timer: str, due: int, batch: Batch) -> bool:
        """The timer's stimulus is taken: it is pending no more. `False` when it was changed meanwhile."""
        current = self._due.get(timer)
        if current is None or current[0] != due:
            return False
        del self._due[timer]
        self._pausing.discard(timer)
        batch.timers[timer] = None
        return True

    def mark(self, batch: Batch) -> None:
        """Write a mark of the clocks with this batch if it changes timers, or if one is due."""
        if batch.timers or self._set or self._stale:
            batch.clock = self._marked = self.steady.mark()

    async def run(self, expire: Expire) -> None:
        """Call `expire(timer, due, cause)` for each timer when it is due; it stays pending until it is taken."""
        while True:
            if (self.steady.jumped or self._set or self._stale) and self.steady.now() >= self._asked + LOOK_AGAIN * 1e6:
                self._asked = self.steady.now()
                await expire(CLOCK, 0, CLOCK)
            await self._ring(self._daily, self._clock.now, expire)
            await self._ring(self._lasting, self.steady.now, expire)
            self._changed.clear()
            wait = self._lasting.wait(self.steady.now(), self._daily.wait(self._clock.now(), LOOK_AGAIN))
            try:
                async with asyncio.timeout(max(0.001, wait)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _ring(self, deadlines: Deadlines, now: Callable[[], int], expire: Expire) -> None:
        for due, timer in deadlines.until(now()):
            current = self._due.get(timer)
            if current is not None and current[0] == due:
                await expire(timer, due, current[1].decode() or timer)

    def _fill(self, deadlines: Deadlines) -> None:
        lasting = deadlines is self._lasting
        deadlines.fill((due, timer) for timer, (due, _) in self._due.items() if lasts(timer) is lasting)

    @property
    def _set(self) -> bool:
        """Whether the wall clock was set since the last mark."""
        return self.steady.ahead != self._marked.wall - self._marked.steady

    @property
    def _stale(self) -> bool:
        """Whether a timer pauses and nobody would know for how long."""
        return bool(self._pausing) and self.steady.now() - self._marked.steady >= LOOK_AGAIN * 1e6


def lasts(timer: str) -> bool:
    """Whether it counts a length of time: a rule's, `instance#name`, but no schedule. Others are times of day."""
    _, mark, name = timer.rpartition("#")
    return bool(mark) and not name.startswith(AT)
