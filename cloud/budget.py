"""A token bucket: how often we may speak."""

from __future__ import annotations

import asyncio

from runtime.clock import Clock


class Budget:
    """`rate` a second on average, `burst` at once; whoever comes first is served first."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock.monotonic()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Return when the next message may leave."""
        async with self._turn:
            self._fill()
            while self._tokens < 1.0:
                # Never less than a millisecond: a remainder of rounding would not move the clock.
                await self._clock.sleep(max(0.001, (1.0 - self._tokens) / self._rate))
                self._fill()
            self._tokens -= 1.0

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
