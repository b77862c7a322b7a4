"""Ways to say how a series goes on. Each is given the past without gaps, and steps to look ahead. Imports numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Method = Callable[[Series, int], Series]
LAST, YESTERDAY, LAST_WEEK = "last value", "same hour of yesterday", "same hour of last week"
AVERAGE = "average"


def naive(day: int, season: int) -> dict[str, Method]:
    """What a forecast has to beat: by name, for a day and a season of so many steps."""
    found: dict[str, Method] = {LAST: lambda past, steps: np.repeat(past[-1], steps), YESTERDAY: _again(day)}
    return found | ({LAST_WEEK: _again(season)} if season > day else {})


def learned(name: str, season: int, past: Series) -> Method:
    """A model of statsmodels whose parameters are found on `past`; it looks ahead from any other past."""
    return {"holt-winters": _holt_winters, "ar": _autoregressive}[name](season, past)


def average(methods: Sequence[Method]) -> Method:
    """The mean of what methods say, which is often better than the best of them (Bates and Granger 1969)."""

    def method(past: Series, steps: int) -> Series:
        return np.asarray(np.mean([each(past, steps) for each in methods], axis=0))

    return method


def _again(period: int) -> Method:
    """What was one period before; beyond a period the same again."""

    def method(past: Series, steps: int) -> Series:
        return np.resize(past[-period:], steps)

    return method


def _holt_winters(season: int, past: Series) -> Method:
    """Level and season, both additive (Holt 1957, Winters 1960): a trend of hours would run away over days."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    def model(values: Series) -> Any:
        return ExponentialSmoothing(values, seasonal="add", seasonal_periods=season, initialization_method="heuristic")

    found = model(past).fit().params
    weights = {name: float(found[name]) for name in ("smoothing_level", "smoothing_seasonal")}

    def method(values: Series, steps: int) -> Series:
        return np.asarray(model(values).fit(optimized=False, **weights).forecast(steps))

    return method


def _autoregressive(season: int, past: Series) -> Method:
    """Season and trend taken apart by STL (Cleveland et al. 1990), robust to stops; what is left goes on as AR(2)."""
    from statsmodels.tsa.ar_model import AutoReg
    from statsmodels.tsa.forecasting.stl import STLForecast

    jump = max(1, season // 10)  # between is a line, as the paper advises
    jumps = {"trend_jump": jump, "low_pass_jump": jump}

    def method(values: Series, steps: int) -> Series:
        model = STLForecast(values, AutoReg, model_kwargs={"lags": 2}, period=season, robust=True, **jumps)
        return np.asarray(model.fit().forecast(steps))

    return method
