"""No faster than so many bytes a second: a token bucket on the injected clock."""

from __future__ import annotations

from runtime.clock import Clock

BURST = 1.0
"""Seconds' worth of bytes that may go at once after a rest."""


class Pace:
    """`rate` in bytes a second; `None` is no bound."""

    def __init__(self, rate: int | None, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._room = float(rate or 0) * BURST
        self._at = clock.monotonic()

    async def take(self, count: int) -> None:
        """Return when `count` bytes may go. More than a burst at once makes a debt that the next one waits for."""
        if self._rate is None:
            return
        now = self._clock.monotonic()
        self._room = min(self._rate * BURST, self._room + (now - self._at) * self._rate)
        self._at = now
        self._room -= count
        if self._room < 0:
            await self._clock.sleep(-self._room / self._rate)
