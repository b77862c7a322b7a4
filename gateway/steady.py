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

STEP = 5_000
"""Microseconds between the clocks that count as a jump; less is what reading both of them takes."""
_TRIES = 3


class Steady:
    """Microseconds on that scale. `ahead` is how far the wall clock is before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: int | None = None
        self._now = self._last = 0
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
        return Start(wall, steady, max(0, passed), max(0, -passed))

    @property
    def jumped(self) -> bool:
        """Whether the wall clock was set since the last look."""
        steady, wall = self._both()
        return abs(wall - steady - self.ahead) > STEP

    def look(self) -> int:
        """Read both clocks; by how many microseconds the wall clock was set since the last look."""
        self._now, wall = self._both()
        jump = wall - self._now - self.ahead
        if abs(jump) <= STEP:
            return 0
        self.ahead += jump
        self._last = self._now  # what was stamped by the old time counts as of now
        return jump

    def of(self, seen: int) -> int:
        """When it was that the wall clock stamped: never before what was asked last, never after the last look."""
        self._last = max(self._last, min(seen - self.ahead, self._now))
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
