"""When which property is due: cycles on one grid, so that what has the same cycle is due together."""

from __future__ import annotations

import math
from collections.abc import Mapping

SLACK = 0.005
"""Seconds; what is due this much later is taken along."""


class Schedule:
    """Cycles in seconds by name, counted from `origin` on a monotonic clock. Turns that were missed are left out."""

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self._cycles: dict[str, float] = {}
        self._due: dict[str, float] = {}

    @property
    def next(self) -> float | None:
        """When something is due next; `None` when nothing ever is."""
        return min(self._due.values(), default=None)

    def plan(self, cycles: Mapping[str, float], now: float) -> None:
        """Take these cycles; a new or changed one is due at once, the others keep their turn."""
        kept = {name: self._due[name] for name, cycle in cycles.items() if self._cycles.get(name) == cycle}
        self._cycles = dict(cycles)
        self._due = {name: kept.get(name, now) for name in cycles}

    def hurry(self, name: str, now: float) -> None:
        """Make something due now; nothing happens when it has no cycle."""
        if name in self._due:
            self._due[name] = min(now, self._due[name])

    def take(self, now: float) -> list[str]:
        """What is due; each gets its next turn on the grid."""
        due = [name for name, at in self._due.items() if at <= now + SLACK]
        for name in due:
            cycle = self._cycles[name]
            turns = math.floor((now + SLACK - self._origin) / cycle) + 1
            self._due[name] = self._origin + turns * cycle
        return due
