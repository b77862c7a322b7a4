"""How many pictures a second a phone should offer: additive increase, multiplicative decrease, once a second.

Credit already keeps frames from piling up; advice spares the phone the frames that would be dropped all the same.
"""

from __future__ import annotations

TOLERATED = 0.1
"""The part of a second's frames that may be dropped for load before less is advised."""
DECREASE = 0.7
INCREASE = 0.1
LEAST = 1.0
"""Frames a second below which nobody is advised to go."""


class Advice:
    """Advice to one phone, which means to offer `wanted` frames a second; 0 is not known, and it gets none."""

    def __init__(self, wanted: float) -> None:
        self._wanted = wanted
        self._target = wanted

    def hear(self, answered: int, dropped: int) -> float | None:
        """What a second brought: frames answered, and those of them dropped for load. Returns the frames a second to
        advise: while they are fewer than wanted, and once when they are not so any more."""
        last = self._target
        if answered and dropped > TOLERATED * answered:
            self._target = max(min(LEAST, self._wanted), last * DECREASE)
        elif answered:
            self._target = min(self._wanted, last + INCREASE * self._wanted)
        return self._target if min(last, self._target) < self._wanted else None
