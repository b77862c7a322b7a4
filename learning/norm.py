"""What is normal for one series, and how far a point is from it. Pure; a score costs a few operations.

All methods score alike: 0 in the middle, `threshold` at the upper limit, `-threshold` at the lower. Where all that was
learned from was one value, there is no unit to measure by: the same value has 0, any other `MOST`.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

MOST = 1000.0
"""Scores end here, on both sides."""
Season = Literal["1d", "1w"]


class Judgement(Struct, frozen=True, gc=False):
    """The score of a point, and the limits that held for it."""

    score: float
    low: float
    high: float


class Robust(Struct, frozen=True, gc=False, tag="robust-z"):
    """Median, and a scale that a few wild points do not move.

    The modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993): 0.6745 (x - median) / MAD,
    with 3.5 as the limit; NIST's handbook of statistics has it in 1.3.5.17. Where more than half of the points are one
    value the MAD is 0, and the mean deviation takes its place: (x - median) / (1.253314 mean deviation).
    """

    middle: float
    scale: float
    threshold: float

    def judge(self, number: float, hour: int) -> Judgement:
        reach = self.threshold * self.scale
        return Judgement(_ratio(number - self.middle, self.scale), self.middle - reach, self.middle + reach)


class Slot(Struct, frozen=True, gc=False, array_like=True):
    """An hour of the season: lower limit, median, upper limit, points."""

    low: float
    middle: float
    high: float
    points: int


class Seasonal(Struct, frozen=True, tag="seasonal-quantiles"):
    """Quantiles of each hour of a day or a week; an hour with too few points has none, and no score."""

    season: Season
    slots: tuple[Slot | None, ...]
    threshold: float

    def judge(self, number: float, hour: int) -> Judgement | None:
        """`hour` is that of the week, Monday's first being 0, in local time."""
        slot = self.slots[hour % len(self.slots)]
        if slot is None:
            return None
        above = number > slot.middle
        reach = slot.high - slot.middle if above else slot.middle - slot.low
        return Judgement(_ratio(number - slot.middle, reach / self.threshold), slot.low, slot.high)


class Ewma(Struct, frozen=True, gc=False, tag="ewma"):
    """Mean and variance that follow the points, each with the weight given: Finch, "Incremental calculation of weighted
    mean and variance" (2009), section 9. What is learned is where they begin.

    A point outside of the limits counts as if it were on them (as Gelper, Fried and Croux clean their series in "Robust
    forecasting with exponential and Holt-Winters smoothing", 2010): an outlier does not teach that it is normal.
    """

    mean: float
    variance: float
    weight: float
    threshold: float
    least: float

    def judge(self, number: float, trail: Trail) -> Judgement:
        """Judge by what came before, then let `trail` follow."""
        scale = max(math.sqrt(trail.variance), self.least)
        low, high = trail.mean - self.threshold * scale, trail.mean + self.threshold * scale
        judgement = Judgement(_ratio(number - trail.mean, scale), low, high)
        if scale > 0:
            number = min(max(number, low), high)
        step = number - trail.mean
        variance = (1 - self.weight) * (trail.variance + self.weight * step * step)
        if math.isfinite(variance):
            trail.mean += self.weight * step
            trail.variance = variance
        return judgement


class Trail(Struct, gc=False, array_like=True):
    """Where mean and variance of an `Ewma` are now, since which version."""

    version: int
    mean: float
    variance: float


Norm = Robust | Seasonal | Ewma


def _ratio(distance: float, scale: float) -> float:
    if scale <= 0 or not math.isfinite(scale):
        return 0.0 if distance == 0 else math.copysign(MOST, distance)
    return min(max(distance / scale, -MOST), MOST)
