"""What to try next: expected improvement under constraints, by Gaussian processes (scikit-learn).

Objective and each constraint have a process of their own (Matern 5/2, a length for each axis, noise fitted). A trial is
chosen by expected improvement over the best mean of the model (Gramacy and Lee, "Optimization under unknown
constraints", 2010: with noise the best measurement is no yardstick) times the probability that all constraints are
kept (Gardner et al., "Bayesian optimization with inequality constraints", 2014).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from learning.tuning.space import Axis, Configuration, step
from learning.tuning.task import Proposal, Seen, Task

CANDIDATES = 2000
"""So many steps are looked at."""
CERTAIN = 0.8
"""A trial is to keep all constraints with this probability, where one does."""
REACH = 0.3
"""Of the way from end to end: so far a limit that was broken casts doubt. Not fitted: one break alone is no noise."""
Array = np.ndarray[Any, np.dtype[np.float64]]


def proposed(task: Task) -> Proposal:
    """The next trial; the same task has the same answer."""
    chance = random.Random(task.seed)
    seen = [each for each in task.seen if each.objective is not None]
    kept = [each for each in seen if all(margin >= 0 for margin in each.margins)]
    if len(seen) < len(task.axes) + 1:
        first = max(kept, key=lambda each: each.objective or 0.0, default=None)
        return Proposal(step(task.axes, task.now, chance), -1 if first is None else first.number)
    places = _places(task.axes, [each.values for each in seen])
    objective = _fitted(places, [each.objective or 0.0 for each in seen], task.seed)
    means = objective.predict(places)
    best_mean, best = max(
        ((mean, each.number) for mean, each in zip(means, seen, strict=True) if each in kept),
        default=(float(means.min()), -1),
    )
    steps = list({step(task.axes, task.now, chance): None for _ in range(CANDIDATES)})
    where = _places(task.axes, steps)
    feasible = _feasible(task, seen, where)
    mean, deviation = objective.predict(where, return_std=True)
    deviation = np.sqrt(np.maximum(deviation**2 - objective.kernel_.k2.noise_level * objective.scale_**2, 1e-12))
    z = (mean - best_mean) / deviation
    improvement = deviation * (z * norm.cdf(z) + norm.pdf(z))
    worth = improvement * feasible if best >= 0 else feasible
    certain = feasible >= CERTAIN
    worth = np.where(certain, worth, 0.0) if certain.any() else feasible
    return Proposal(steps[int(np.argmax(worth))], best)


def _feasible(task: Task, seen: Sequence[Seen], where: Array) -> Array:
    """With what probability all constraints are kept, and no limit is broken, at each place."""
    whole = np.ones(len(where))
    places = _places(task.axes, [each.values for each in seen])
    for margins in zip(*(each.margins for each in seen), strict=True):
        mean, deviation = _fitted(places, margins, task.seed).predict(where, return_std=True)
        whole *= norm.cdf(mean / np.maximum(deviation, 1e-12))
    if len(seen) < len(task.seen):
        every = _places(task.axes, [each.values for each in task.seen])
        verdicts = [-1.0 if each.objective is None else 1.0 for each in task.seen]
        border = GaussianProcessRegressor(Matern(REACH, nu=2.5) + WhiteKernel(0.01), optimizer=None)
        mean, deviation = border.fit(every, np.asarray(verdicts)).predict(where, return_std=True)
        whole *= norm.cdf(mean / np.maximum(deviation, 1e-12))
    return whole


def _fitted(places: Array, numbers: Sequence[float], seed: int) -> Any:
    """A process of these numbers; `scale_` is what it divided them by."""
    kernel = ConstantKernel(1.0, (0.1, 10.0)) * Matern([0.5] * places.shape[1], (0.1, 5.0), nu=2.5)
    process = GaussianProcessRegressor(
        kernel + WhiteKernel(0.05, (1e-4, 1.0)), normalize_y=True, n_restarts_optimizer=1, random_state=seed % 2**32
    )
    process.fit(places, np.asarray(numbers))
    process.scale_ = float(np.std(numbers)) or 1.0
    return process


def _places(axes: Sequence[Axis], configurations: Sequence[Configuration]) -> Array:
    rows = [
        [number for axis, value in zip(axes, values, strict=True) for number in axis.place(value)]
        for values in configurations
    ]
    return np.asarray(rows, dtype=np.float64)
