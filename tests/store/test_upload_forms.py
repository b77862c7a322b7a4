"""Fewer points, and points on a clock: what stays of a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.uploads.aligning import on_clock
from store.uploads.manifest import Align, Sampling
from store.uploads.thinning import thin

S = 1_000_000


def kept(sampling: Sampling, at: list[int], value: list[float]) -> list[int]:
    chosen = thin(sampling)
    assert chosen is not None
    return [int(place) for place in chosen(np.array(at, np.int64), np.array(value, np.float64))]


def test_each_nth_and_the_first_of_each_time() -> None:
    at = [n * S for n in range(10)]
    assert kept(Sampling(every_n=4), at, [0.0] * 10) == [0, 4, 8]
    assert kept(Sampling(rate="3s"), at, [math.nan] * 10) == [0, 3, 6, 9]
    assert thin(None) is None


def test_the_least_and_the_greatest_of_each_time_and_all_texts() -> None:
    at = [n * S for n in range(8)]
    value = [5.0, 1.0, 9.0, math.nan, 2.0, 2.0, 2.0, 2.0]
    assert kept(Sampling(min_max="4s"), at, value) == [1, 2, 3, 4, 7]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(3, 50))
def test_a_line_of_fewer_points_has_its_ends_and_stays_within_the_values(value: list[float], count: int) -> None:
    places = kept(Sampling(lttb=count), [n * S for n in range(len(value))], value)
    assert len(places) == min(count, len(value))
    assert places == sorted(set(places))
    assert {places[0], places[-1]} == {0, len(value) - 1}


def test_a_spike_stays_in_a_line_of_fewer_points() -> None:
    value = [math.sin(n / 50) for n in range(1000)]
    value[437] = 40.0
    places = kept(Sampling(lttb=50), [n * S for n in range(1000)], value)
    assert 437 in places
    line = np.interp(np.arange(1000), places, [value[place] for place in places])
    smooth = np.abs(line - value)
    smooth[400:475] = 0
    assert smooth.max() < 0.2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_the_least_and_the_greatest_are_never_lost(value: list[float]) -> None:
    places = kept(Sampling(min_max="7s"), [n * S for n in range(len(value))], value)
    assert {min(value), max(value)} <= {value[place] for place in places}


def on(align: Align, *points: tuple[float, float], last: float = 100) -> list[tuple[float, float]]:
    at, value = [round(t * S) for t, _ in points], [v for _, v in points]
    ticks, numbers = on_clock(align)(np.array(at, np.int64), np.array(value), 0, round(last * S))
    return [(tick / S, float(number)) for tick, number in zip(ticks.tolist(), numbers, strict=True)]


@pytest.mark.parametrize(
    ("method", "gap", "wanted"),
    [
        ("last", "10s", [(10, 2.0), (20, 4.0), (30, 4.0)]),
        ("last", "5s", [(10, 2.0), (20, 4.0)]),
        ("mean", None, [(0, 1.5), (10, 4.0), (20, 4.0), (40, 8.0)]),
        ("linear", "100s", [(10, 2.2), (20, 4.0), (30, 5.82), (40, 7.64)]),
        ("linear", "9s", [(10, 2.2), (20, 4.0)]),
    ],
)
def test_values_on_a_clock(method: Any, gap: str | None, wanted: list[tuple[float, float]]) -> None:
    points = (2.0, 1.0), (9.0, 2.0), (19.0, 4.0), (20.0, 4.0), (42.0, 8.0)
    found = on(Align("10s", method, gap), *points, last=45)
    assert [tick for tick, _ in found] == [tick for tick, _ in wanted]
    assert [number for _, number in found] == pytest.approx([number for _, number in wanted], abs=0.05)


def test_texts_and_nothing_have_no_value_on_a_clock() -> None:
    assert on(Align("10s"), (1.0, math.nan)) == []
    assert on(Align("10s", "mean")) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 900), st.floats(-100, 100)), min_size=1, max_size=80))
def test_the_means_of_a_clock_are_those_of_its_buckets(given_: list[tuple[int, float]]) -> None:
    points = sorted(given_)
    buckets: dict[int, list[float]] = {}
    for at, value in points:
        buckets.setdefault(at // 10 * 10, []).append(value)
    found = on(Align("10s", "mean"), *((float(at), value) for at, value in points), last=1000)
    assert found == [(at, pytest.approx(sum(v) / len(v), abs=1e-9)) for at, v in sorted(buckets.items())]
