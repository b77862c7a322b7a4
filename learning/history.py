"""The past of a series, as it is learned from: questions in SQL, which run in the store's own processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from learning.lesson import Version
from learning.manifest import Baseline, Forecast
from learning.norm import Ewma, Robust, Season, Seasonal, Slot
from twins.duration import microseconds
from twins.errors import Rejected
from twins.exchange import Rows, Scalar

DEADLINE = 60.0
"""Seconds that a question may take."""
KNOWN = 100_000
"""The most series that are looked through."""
MOST = 200_000
"""So many points of a series, nearly, are looked at; of more a fair part of all, which is the same at each look."""
OF_HOUR = 20
"""With fewer points of an hour of the season there are no limits for it."""
MAD = 0.6745
"""The MAD of a normal distribution, in standard deviations."""
DEVIATION = 1.253314
"""And the standard deviation, in mean deviations: the root of pi / 2."""

_SERIES = """
SELECT namespace, device, property, sum(n) FROM points_1h
WHERE time >= make_timestamptz(?) AND time <= make_timestamptz(?) AND n > 0 GROUP BY ALL"""
_POINTS = """
WITH p AS (
  SELECT epoch_us(time) AS at, value, {slot} AS slot FROM points
  WHERE namespace = ? AND device = ? AND property = ? AND isfinite(value)
    AND time >= make_timestamptz(?) AND time <= make_timestamptz(?) {thinned}
)"""
_ROBUST = """, m AS (SELECT median(value) AS middle FROM p)
SELECT count(*), min(at), max(at), any_value(middle), median(abs(value - middle)), avg(abs(value - middle)) FROM p, m"""
_SEASONAL = """
SELECT count(*), min(at), max(at), quantile_cont(value, {low}), median(value), quantile_cont(value, {high}), slot
FROM p GROUP BY slot"""
_GRID = """
SELECT epoch_us(time) // {step} AS place, {aggregate}(value), count(*) FROM points
WHERE namespace = ? AND device = ? AND property = ? AND isfinite(value)
  AND time >= make_timestamptz(?) AND time < make_timestamptz(?)
GROUP BY place ORDER BY place"""


class Past(Protocol):
    """Answers questions in SQL. Raises `Rejected` (too much, too long) or `Unavailable`."""

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows: ...


class Few(Exception):
    """There is too little to learn from; the words say how much."""


class History:
    """Reads `past`; hours are those of the time zone."""

    def __init__(self, past: Past, zone: str) -> None:
        self._past = past
        self._zone = zone

    async def series(self, baseline: Baseline, now: int) -> list[tuple[str, str, int]]:
        """Device, property and count of points, nearly, of each series that it means and that has numbers."""
        since = now - microseconds(baseline.spec.history)
        rows = await self._ask(_SERIES, (since, now), limit=KNOWN)
        found = ((f"{namespace}/{device}", name, count) for namespace, device, name, count in rows)
        return sorted(each for each in found if baseline.means(each[0], each[1]))

    async def norm(self, baseline: Baseline, device: str, name: str, count: int, now: int) -> Version:
        """What is normal for a series of so many points, nearly. Raises `Few`."""
        spec = baseline.spec
        seasonal = spec.method == "seasonal-quantiles"
        slot = _slot(spec.season, self._zone) if seasonal else "0"
        thinned = f"AND hash(epoch_us(time)) % {-(-count // MOST)} = 0" if count > MOST else ""
        text = _POINTS.format(slot=slot, thinned=thinned)
        rest = (1 - spec.coverage) / 2
        text += _SEASONAL.format(low=f"{rest:.6f}", high=f"{1 - rest:.6f}") if seasonal else _ROBUST
        since = now - microseconds(spec.history)
        rows = await self._ask(text, (*device.split("/", 1), name, since, now), limit=200)
        points = sum(row[0] for row in rows)
        if points < spec.minimum:
            raise Few(f"{points} points, {spec.minimum} are needed")
        span = min(row[1] for row in rows if row[0]), max(row[2] for row in rows if row[0])
        if seasonal:
            return Version(1, now, *span, points, _seasonal(baseline, rows))
        _, _, _, middle, median_deviation, mean_deviation = rows[0]
        scale = median_deviation / MAD or mean_deviation * DEVIATION
        if spec.method == "ewma":
            least = spec.resolution
            return Version(1, now, *span, points, Ewma(middle, scale**2, spec.weight, spec.threshold, least))
        return Version(1, now, *span, points, Robust(middle, max(scale, spec.resolution), spec.threshold))

    async def grid(self, forecast: Forecast, now: int) -> tuple[int, list[float | None]]:
        """Where the grid begins, in steps since 1970 UTC, and its values; the step that is not over is left out."""
        step = forecast.step
        until = now // step * step
        since = until - microseconds(forecast.spec.history) // step * step
        aggregate = "avg" if forecast.spec.aggregate == "mean" else "sum"
        text = _GRID.format(step=step, aggregate=aggregate)
        place = (*forecast.device.split("/", 1), forecast.spec.property)
        rows = await self._ask(text, (*place, since, until), limit=2**17)
        if not rows:
            raise Few(f"{forecast.device}/{forecast.spec.property} has no numbers within {forecast.spec.history}")
        first, values = rows[0][0], {row[0]: row[1] for row in rows}
        return first, [values.get(each) for each in range(first, until // step)]

    async def _ask(self, text: str, parameters: tuple[Scalar, ...], *, limit: int) -> list[tuple[Any, ...]]:
        found = await self._past.sql(text, parameters, deadline=DEADLINE, limit=limit)
        if found.truncated:
            raise Rejected(f"there are more than {limit} series or steps")
        return found.rows


def _slot(season: Season, zone: str) -> str:
    """SQL for the number of the hour in its season, in local time; a week begins on Monday."""
    local = f"time AT TIME ZONE '{zone}'"
    hour = f"extract(hour FROM {local})"
    return hour if season == "1d" else f"(extract(dayofweek FROM {local}) + 6) % 7 * 24 + {hour}"


def _seasonal(baseline: Baseline, rows: list[tuple[Any, ...]]) -> Seasonal:
    spec = baseline.spec
    slots: list[Slot | None] = [None] * (24 if spec.season == "1d" else 168)
    for points, _, _, low, middle, high, slot in rows:
        if points >= OF_HOUR:
            least = spec.resolution * spec.threshold
            slots[slot] = Slot(min(low, middle - least), middle, max(high, middle + least), points)
    return Seasonal(spec.season, tuple(slots), spec.threshold)
