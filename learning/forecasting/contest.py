"""Which method forecasts a series best, found out on its past, and what the best one says. Imports numpy.

Rolling origin: a forecast is made at many moments of the past, each from what was known then, and compared with what
came. The older half of those moments chooses the method and scales the intervals; the newer half, which had no part in
either, gives the figures. Parameters are found on what was before all of them.

Intervals are those of split conformal prediction (Lei et al. 2018), for any method alike: the errors of the past, in
units of their mean at the same step ahead, give the quantiles.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from learning.forecasting.methods import AVERAGE, Method, Series, average, learned, naive
from learning.forecasting.task import Answer, Little, Task
from learning.prediction import Prediction, Step, Trial

FOLDS = 32
"""Moments of the past, at most."""
FEWEST = 8
GAPS = 0.2
"""The part of the grid that may be missing."""
LEVELS = (0.8, 0.95)
MARGIN = 0.95
"""The error of a method is at most this part of a naive one's, or it did no better: less may be chance."""


def held(task: Task) -> Answer:
    """The forecast of the method that did best."""
    seen = np.array([np.nan if each is None else each for each in task.values], dtype=np.float64)
    origins = _origins(len(seen), task)
    if len(origins) < FEWEST:
        need = _least(task)
        return Little(f"{len(seen)} steps of history, {need} are needed: three seasons and what is forecast")
    missing = float(np.isnan(seen).mean())
    if missing > GAPS:
        return Little(f"{missing:.0%} of the steps have no points; {GAPS:.0%} may be missing")
    past = _filled(seen, task.day)
    methods, faults = _methods(task, past[: origins[0]])
    errors: dict[str, Series] = {}
    for name, method in methods.items():
        try:
            errors[name] = _errors(method, past, seen, origins, task.horizon)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            faults[name] = f"{type(error).__name__}: {error}"
    plain = naive(task.day, task.season)
    together = {name: errors[name] for name in errors if name not in plain or name == list(plain)[-1]}
    if len(together) > 1:
        methods[AVERAGE] = average([methods[name] for name in together])
        errors[AVERAGE] = np.mean(list(together.values()), axis=0)
    half = len(origins) // 2
    unit = _unit(past[: origins[0]], task.season)
    trials = {name: _trial(name, each, half, unit, naive=name in plain) for name, each in errors.items()}
    chosen = _least_of(errors, half, errors.keys() - plain.keys())
    beats = chosen is not None and _beats(trials, chosen, plain)
    best = chosen if chosen is not None and beats else min(plain, key=lambda name: trials[name].mae or 0.0)
    told = tuple(trials.values()) + tuple(Trial(name, fault=why[:200]) for name, why in faults.items())
    path = _path(methods[best](past, task.horizon), errors[best], task)
    return Prediction(best, beats, told, len(origins), path)


def _methods(task: Task, past: Series) -> tuple[dict[str, Method], dict[str, str]]:
    """By name; and why some can't be."""
    methods, faults = naive(task.day, task.season), {}
    for name in task.methods:
        try:
            methods[name] = learned(name, task.season, past)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            faults[name] = f"{type(error).__name__}: {error}"
    return methods, faults


def _least(task: Task) -> int:
    return 3 * task.season + task.horizon + FEWEST


def _origins(length: int, task: Task) -> list[int]:
    """How many steps were known at each moment: two seasons at least, and half of what there is."""
    last = length - task.horizon
    first = max(2 * task.season, length // 2, last - 4 * max(task.season, FOLDS))
    if length < _least(task):
        return []
    stride = max(1, (last - first) // FOLDS)
    if stride > 1 and task.day % stride == 0:
        stride += 1  # else all would be at the same hours
    return list(range(first, last + 1, stride))[-FOLDS:]


def _filled(seen: Series, day: int) -> Series:
    """Without gaps: what was a day before, else the line between the neighbours."""
    past = seen.copy()
    for place in np.flatnonzero(np.isnan(past)):
        if place >= day:
            past[place] = past[place - day]
    holes = np.isnan(past)
    if holes.any():
        past[holes] = np.interp(np.flatnonzero(holes), np.flatnonzero(~holes), past[~holes])
    return past


def _errors(method: Method, past: Series, seen: Series, origins: list[int], horizon: int) -> Series:
    """What came less what was expected: a row a moment, a column a step ahead; NaN where nothing came."""
    found = np.empty((len(origins), horizon))
    for row, origin in enumerate(origins):
        expected = method(past[:origin], horizon)
        if not np.isfinite(expected).all():
            msg = "it expects what is no number"
            raise ValueError(msg)
        found[row] = seen[origin : origin + horizon] - expected
    return found


def _unit(past: Series, season: int) -> float:
    """The mean error of saying that what was a season before comes again."""
    return float(np.abs(past[season:] - past[:-season]).mean())


def _mean(errors: Series) -> float:
    return float(np.nanmean(np.abs(errors)))


def _least_of(errors: dict[str, Series], half: int, names: Set[str]) -> str | None:
    """The one that did best on the older half."""
    return min(sorted(names), key=lambda name: _mean(errors[name][:half]), default=None)


def _beats(trials: dict[str, Trial], chosen: str, plain: dict[str, Method]) -> bool:
    mine = trials[chosen].mae
    others = [trials[name].mae for name in plain]
    return mine is not None and all(other and mine <= MARGIN * other for other in others)


def _trial(name: str, errors: Series, half: int, unit: float, *, naive: bool) -> Trial:
    old, new = errors[:half], errors[half:]
    mae = _mean(new)
    within_80, within_95 = (_within(new, *_reach(old, level)) for level in LEVELS)
    return Trial(name, naive, mae, mae / unit if unit > 0 else None, within_80, within_95)


def _within(errors: Series, low: Series, high: Series) -> float:
    known = ~np.isnan(errors)
    return float(((errors >= low) & (errors <= high))[known].mean())


def _reach(errors: Series, level: float) -> tuple[Series, Series]:
    """What to add to a forecast at each step for its interval."""
    with np.errstate(invalid="ignore"):
        scale = np.nanmean(np.abs(errors), axis=0)
    scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1e-9)
    ratios = (errors / scale)[~np.isnan(errors)]
    rest = (1 - level) / 2
    return scale * float(np.quantile(ratios, rest)), scale * float(np.quantile(ratios, 1 - rest))


def _path(expected: Series, errors: Series, task: Task) -> tuple[Step, ...]:
    begin = task.begin + len(task.values) * task.step
    (low_80, high_80), (low_95, high_95) = (_reach(errors, level) for level in LEVELS)
    rows = zip(expected, expected + low_80, expected + high_80, expected + low_95, expected + high_95, strict=True)
    bounded = np.clip(list(rows), task.least, task.most)
    return tuple(Step(begin + place * task.step, *map(float, row)) for place, row in enumerate(bounded))
