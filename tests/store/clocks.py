"""A clock for stores of which nothing is to happen by itself."""

from __future__ import annotations

import asyncio


class Still:
    """It is always `at` microseconds; who sleeps sleeps for ever."""

    def __init__(self, at: int = 0) -> None:
        self._at = at

    def now(self) -> int:
        return self._at

    def monotonic(self) -> float:
        return 1.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()
