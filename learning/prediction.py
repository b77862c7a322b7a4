"""What a forecast says: the way ahead with intervals, and how each method did on the past."""

from __future__ import annotations

from msgspec import Struct


class Trial(Struct, frozen=True):
    """How a method did in the back-test: mean absolute error, the same in units of the season's naive error (MASE,
    Hyndman and Koehler 2006), and the parts of what came that lay within its intervals of 80 and of 95 percent.

    `fault` says why there are no figures.
    """

    method: str
    naive: bool = False
    mae: float | None = None
    mase: float | None = None
    within_80: float | None = None
    within_95: float | None = None
    fault: str = ""


class Step(Struct, frozen=True, array_like=True):
    """The value expected of one step of the grid, which begins at `at`, and its intervals."""

    at: int
    value: float
    low_80: float
    high_80: float
    low_95: float
    high_95: float


class Prediction(Struct, frozen=True, tag="forecast"):
    """By `method`. `beats`: it did clearly better on the past than every naive one; else `method` is the best of those.

    `folds` is the number of forecasts of the past that were compared with what came.
    """

    method: str
    beats: bool
    trials: tuple[Trial, ...]
    folds: int
    path: tuple[Step, ...]
