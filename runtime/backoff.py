"""Full-jitter exponential backoff: many clients that lost one peer do not return in step."""

from __future__ import annotations

import random


class Backoff:
    """Delays in seconds: uniform in 0..min(limit, first·2ⁿ), never below `floor`; `reset()` on the first success."""

    def __init__(self, first: float = 0.5, limit: float = 30.0, floor: float = 0.05) -> None:
        self._first = first
        self._limit = limit
        self._floor = floor
        self._tries = 0

    @property
    def tries(self) -> int:
        return self._tries

    def reset(self) -> None:
        self._tries = 0

    def next(self) -> float:
        ceiling = min(self._limit, self._first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return max(self._floor, random.uniform(0.0, ceiling))
