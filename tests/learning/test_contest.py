"""Which method forecasts best, and whether that is said truly. Tiny series: a day of four steps."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from learning.forecasting.task import Little, Task
from learning.prediction import Prediction, Trial

pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'gemelo[learning]'")

from learning.forecasting.contest import held
from learning.forecasting.methods import AVERAGE, LAST, LAST_WEEK, YESTERDAY

STEP = 6 * 3_600_000_000
pytestmark = pytest.mark.filterwarnings("ignore")  # of fits that do not converge


def made(value: Callable[[int], float | None], steps: int = 80, horizon: int = 4, season: int = 4) -> Prediction:
    answer = asked(value, steps, horizon, season)
    assert isinstance(answer, Prediction), answer
    return answer


def asked(value: Callable[[int], float | None], steps: int = 80, horizon: int = 4, season: int = 4) -> object:
    return held(Task(0, STEP, tuple(map(value, range(steps))), 4, season, horizon, ("holt-winters", "ar")))


def trial(prediction: Prediction, name: str) -> Trial:
    return next(each for each in prediction.trials if each.method == name)


def noisy(seed: int = 1, size: float = 1.0) -> Callable[[int], float]:
    chance = random.Random(seed)
    noise = [chance.gauss(0.0, size) for _ in range(1000)]
    return lambda n: 50.0 + (30.0, 10.0, -20.0, -20.0)[n % 4] + noise[n]


def test_a_season_with_noise_is_learned_better_than_any_naive_way() -> None:
    found = made(noisy(), 120)
    assert found.beats
    assert found.method in {"holt-winters", "ar", AVERAGE}
    best = trial(found, found.method)
    assert best.mae is not None
    assert all(best.mae < (t.mae or 0) for t in found.trials if t.naive)
    assert best.mase is not None
    assert best.mase < 1
    assert best.within_95 is not None
    assert best.within_95 > 0.85


def test_the_way_ahead_begins_after_the_last_step_and_lies_within_its_intervals() -> None:
    found = made(noisy(), 80)
    assert [step.at for step in found.path] == [STEP * n for n in range(80, 84)]
    for n, step in enumerate(found.path):
        assert step.low_95 <= step.low_80 <= step.value <= step.high_80 <= step.high_95
        assert abs(step.value - (80, 60, 30, 30)[n]) < 5


def test_what_cannot_be_is_not_expected() -> None:
    values = tuple(max(0.0, noisy()(n) - 40.0) for n in range(80))
    found = held(Task(0, STEP, values, 4, 4, 4, ("ar",), least=0.0, most=35.0))
    assert isinstance(found, Prediction)
    assert min(step.low_95 for step in found.path) == 0.0
    assert max(step.high_95 for step in found.path) == 35.0


def test_a_random_walk_is_not_forecast_better_than_by_its_last_value_and_that_is_said() -> None:
    chance, walk = random.Random(4), [0.0]
    for _ in range(200):
        walk.append(walk[-1] + chance.gauss(0.0, 1.0))
    found = made(walk.__getitem__, 200, 2)
    assert not found.beats
    assert found.method == LAST
    assert found.path[0].value == walk[199]


def test_last_week_is_to_be_beaten_where_the_season_is_a_week() -> None:
    found = made(noisy(), 28 * 8, 4, 28)
    assert {t.method for t in found.trials if t.naive} == {LAST, YESTERDAY, LAST_WEEK}


def test_a_constant_is_forecast_as_it_is() -> None:
    found = made(lambda n: 7.0)
    assert {step.value for step in found.path} == {7.0}
    assert trial(found, LAST).mae == 0.0
    assert trial(found, LAST).mase is None
    assert not found.beats


@pytest.mark.parametrize("steps", [0, 1, 2, 20])
def test_with_too_little_it_says_how_much_is_needed(steps: int) -> None:
    found = asked(lambda n: float(n), steps)
    assert isinstance(found, Little)
    assert f"{steps} steps of history, 24 are needed" in found.reason


def test_gaps_are_filled_but_never_counted_as_if_they_had_come() -> None:
    steady = noisy()
    gaps = made(lambda n: None if n % 9 == 3 else steady(n), 200)
    assert all(math.isfinite(step.value) for step in gaps.path)
    best = trial(gaps, gaps.method).mae
    assert best is not None
    assert best < 2.0


def test_more_gaps_than_a_fifth_are_too_many() -> None:
    found = asked(lambda n: None if n % 3 == 0 else 1.0)
    assert isinstance(found, Little)
    assert "34% of the steps have no points" in found.reason


def test_a_method_that_fails_is_told_and_the_others_go_on() -> None:
    found = made(lambda n: 1e300 * (n % 4), 80)
    assert found.path
    assert all(t.mae is not None or t.fault for t in found.trials)
