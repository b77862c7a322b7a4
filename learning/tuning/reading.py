"""What series were over a time: means, and whether a bound was broken, as questions in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from learning.history import Past
from learning.tuning.campaign import Bound

DEADLINE = 60.0
"""Seconds that a question may take."""
_SPAN = """
SELECT count(*), avg(value), min(value), max(value) FROM points
WHERE namespace = ? AND device = ? AND property = ? AND isfinite(value)
  AND time >= make_timestamptz(?) AND time <= make_timestamptz(?)"""


class Reading:
    """Reads `past`; times in microseconds UTC."""

    def __init__(self, past: Past) -> None:
        self._past = past

    async def means(self, series: Sequence[str], since: int, until: int) -> list[tuple[int, float]]:
        """Count and mean of each."""
        found = [await self._span(each, since, until) for each in series]
        return [(count, mean if mean is not None else 0.0) for count, mean, _, _ in found]

    async def broken(self, bounds: Sequence[Bound], since: int, until: int) -> str:
        """What was beyond a bound; empty for nothing."""
        for bound in bounds:
            count, _, low, high = await self._span(bound.series, since, until)
            if count and (said := bound.fault(low) or bound.fault(high)):
                return said
        return ""

    async def _span(self, series: str, since: int, until: int) -> tuple[int, float, float, float]:
        namespace, device, name = series.split("/", 2)
        parameters = (namespace, device, name, since, until)
        rows = (await self._past.sql(_SPAN, parameters, deadline=DEADLINE, limit=1)).rows
        count, mean, low, high = rows[0]
        return count, mean, low, high
