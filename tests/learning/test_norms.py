"""Scores and limits of one series: what the formulas say, and the corners."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.norm import MOST, Ewma, Robust, Seasonal, Slot, Trail

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_a_robust_score_is_that_of_iglewicz_and_hoaglin() -> None:
    numbers = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3]
    middle = statistics.median(numbers)
    mad = statistics.median(abs(x - middle) for x in numbers)
    norm = Robust(middle, mad / 0.6745, 3.5)
    for x in numbers:
        assert norm.judge(x, 0).score == pytest.approx(0.6745 * (x - middle) / mad)
    assert [x for x in numbers if abs(norm.judge(x, 0).score) > 3.5] == [8.2, 8.3]


def test_where_all_was_one_value_another_has_the_highest_score() -> None:
    norm = Robust(5.0, 0.0, 3.5)
    assert [norm.judge(x, 0).score for x in (5.0, 5.1, -5.0)] == [0.0, MOST, -MOST]
    assert (norm.judge(5.0, 0).low, norm.judge(5.0, 0).high) == (5.0, 5.0)


def test_each_hour_of_the_season_has_limits_of_its_own_and_one_without_has_no_score() -> None:
    slots = [Slot(10.0, 20.0, 22.0, 50) if hour < 12 else None for hour in range(24)]
    norm = Seasonal("1d", tuple(slots), 3.0)
    found = norm.judge(22.0, 24 * 6 + 11)
    assert found is not None
    assert (found.score, found.low, found.high) == (3.0, 10.0, 22.0)
    assert norm.judge(10.0, 0).score == -3.0  # type: ignore[union-attr]
    assert norm.judge(20.0, 12) is None


def test_mean_and_spread_follow_the_points() -> None:
    chance = random.Random(1)
    norm, trail = Ewma(0.0, 1.0, 0.05, 3.5, 0.0), Trail(1, 0.0, 1.0)
    for _ in range(2000):
        norm.judge(chance.gauss(50.0, 4.0), trail)
    assert trail.mean == pytest.approx(50.0, abs=3.0)
    assert math.sqrt(trail.variance) == pytest.approx(4.0, abs=1.5)


def test_an_outlier_moves_the_mean_no_further_than_the_limit_would() -> None:
    norm = Ewma(10.0, 1.0, 0.1, 3.0, 0.0)
    wild, edge = Trail(1, 10.0, 1.0), Trail(1, 10.0, 1.0)
    assert norm.judge(1e9, wild).score == MOST
    assert norm.judge(13.0, edge).score == 3.0
    assert wild == edge


@given(st.lists(NUMBERS, max_size=50), NUMBERS, st.floats(0, 1e300))
def test_whatever_comes_scores_and_trails_stay_finite(numbers: list[float], mean: float, variance: float) -> None:
    norm, trail = Ewma(mean, variance, 0.3, 3.5, 0.0), Trail(1, mean, variance)
    robust = Robust(mean, variance, 3.5)
    for number in numbers:
        for found in (norm.judge(number, trail), robust.judge(number, 0)):
            assert -MOST <= found.score <= MOST
        assert math.isfinite(trail.variance)
        assert not math.isnan(trail.mean)
