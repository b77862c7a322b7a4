"""Is the rate of a production line forecast better than by naive ways? Ten lines, each with its own seed and length."""

from __future__ import annotations

import statistics
import sys
import time

from benches.figures import Figure, show
from simulator.line import Line

SEEDS = 10
WEEKS = 8
HORIZONS = (8, 24)
HOUR = 3_600_000_000


def main(quick: bool = False) -> list[Figure]:
    """Mean absolute errors in pieces an hour, what came within intervals, how often a method beat all naive ways."""
    from learning.forecasting.contest import held
    from learning.forecasting.task import Task
    from learning.prediction import Prediction

    figures = []
    for horizon in HORIZONS[:1] if quick else HORIZONS:
        made: list[Prediction] = []
        began = time.process_time()
        for seed in range(1 if quick else SEEDS):
            values = hourly(seed, 4 if quick else WEEKS)
            answer = held(Task(0, HOUR, values, 24, 168, horizon, ("holt-winters", "ar")))
            assert isinstance(answer, Prediction)
            made.append(answer)
            print(f"{horizon} h, seed {seed}: {answer.method}", [(t.method, t.mae, t.within_80) for t in answer.trials])
        took = (time.process_time() - began) / len(made)
        figures += _figures(horizon, made, took)
    show("forecast: the rate of a production line", figures)
    return figures


def hourly(seed: int, weeks: int) -> tuple[float, ...]:
    """Pieces an hour of a line, so many weeks and some hours."""
    hours = weeks * 168 + seed * 37 % 168
    rates = list(Line(seed).rates(hours * 60))
    return tuple(statistics.fmean(rates[hour * 60 : hour * 60 + 60]) for hour in range(hours))


def _figures(horizon: int, made: list, took: float) -> list[Figure]:  # type: ignore[type-arg]  # of an extra
    figures = []
    for number, method in enumerate(t.method for t in made[0].trials):
        trials = [answer.trials[number] for answer in made]
        assert all(t.method == method for t in trials)
        figures.append(Figure(f"{horizon} h: {method}, error", statistics.fmean(t.mae for t in trials), "pieces/h"))
        for level in (80, 95):
            within = statistics.fmean(getattr(t, f"within_{level}") for t in trials)
            figures.append(Figure(f"{horizon} h: {method}, within {level} %", 100 * within, "%"))
    chosen = [next(t for t in answer.trials if t.method == answer.method) for answer in made]
    figures.append(
        Figure(f"{horizon} h: what is published, error", statistics.fmean(t.mae for t in chosen), "pieces/h")
    )
    beats = sum(answer.beats for answer in made)
    figures.append(Figure(f"{horizon} h: lines where a method beat every naive way", beats, f"of {len(made)}"))
    figures.append(Figure(f"{horizon} h: a forecast with its back-test", took, "s"))
    return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
