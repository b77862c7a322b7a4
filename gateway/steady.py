"""Time that no jump of the wall clock touches: the scale on which the timers of rules are due.

It begins as the wall clock's time and moves with the monotonic clock while the gateway runs. Over a restart the wall
clock bridges: the next life begins where this one left its `Mark`, and later by the time that the wall clock says has
passed; not earlier if that went back. So a jump neither fires nor delays a timer, and one that nobody could see,
because the gateway was away, can only make a timer early or late by that jump, and never longer than it was set to.
"""

from __future__ import annotations

from rules.late import Start
from runtime.clock import Clock
from twins.exchange import Mark

FAR_BACK = 3 * 3600 * 1_000_000
"""Microseconds that the wall clock must go back for times of day to come again, as Debian's cron has it."""
STEP = 5_000
"""Microseconds between the clocks that count as a jump; less is what reading both of them takes."""
_TRIES = 3


class Steady:
    """Microseconds on that scale. `ahead` is how far the wall clock is before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: int | None = None
        self._now = self._last = 0
        self._jumped = False
        self.ahead = 0

    def now(self) -> int:
        if self._zero is None:
            self.resume(None)
        assert self._zero is not None
        return self._zero + round(self._clock.monotonic() * 1e6)

    def resume(self, mark: Mark | None) -> Start:
        """Go on from what an earlier life left."""
        wall, monotonic = self._clock.now(), round(self._clock.monotonic() * 1e6)
        passed = 0 if mark is None else wall - mark.wall
        steady = wall if mark is None else mark.steady + max(0, passed)
        self._zero = steady - monotonic
        self._now = self._last = steady
        self.ahead = wall - steady
        return Start(wall, steady, max(0, passed), passed <= -FAR_BACK)

    def look(self) -> None:
        """Read both clocks. What is asked of `of` afterwards is of this moment or a little earlier."""
        steady, wall = self._both()
        self._now = steady
        self._jumped = abs(wall - steady - self.ahead) > STEP
        if self._jumped:
            self.ahead = wall - steady

    def of(self, seen: int) -> int:
        """When something was that the wall clock stamped: never before what was asked last, never after the last look.

        What the wall clock stamped before it jumped counts as of the look that noticed.
        """
        self._last = self._now if self._jumped else max(self._last, min(seen - self.ahead, self._now))
        return self._last

    def mark(self) -> Mark:
        """The moment of the last look, for the next life."""
        return Mark(self._now, self._now + self.ahead)

    def _both(self) -> tuple[int, int]:
        """Steady and wall time of one moment: again if something came between the readings."""
        for _ in range(_TRIES):
            before, wall, after = self.now(), self._clock.now(), self.now()
            if after - before < STEP // 5:
                break
        return before, wall
