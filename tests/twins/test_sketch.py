"""Quantiles: exact of a few values, and then within their bound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.oracle import quantile
from twins.sketch import ACCURACY, BUCKETS, EXACT, Sketch

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def sketch_of(values: list[float]) -> Sketch:
    made = Sketch()
    for value in values:
        made.add(value)
    return made


@given(st.lists(numbers, min_size=1, max_size=EXACT), st.floats(0, 1))
def test_quantiles_of_a_few_values_are_exact(values: list[float], part: float) -> None:
    assert sketch_of(values).quantile(part) == pytest.approx(quantile(values, part))


@given(st.lists(numbers, min_size=EXACT + 1, max_size=400), st.floats(0, 1))
@settings(deadline=None)
def test_quantiles_of_many_values_are_within_a_percent_of_one_beside_the_rank(values: list[float], part: float) -> None:
    ordered = sorted(values)
    place = part * (len(values) - 1)
    near = [ordered[round(place)], ordered[int(place)], ordered[min(int(place) + 1, len(values) - 1)]]
    found = sketch_of(values).quantile(part)
    assert any(abs(found - value) <= ACCURACY * abs(value) + 1e-290 for value in near)


@given(st.lists(st.lists(numbers, max_size=80), min_size=1, max_size=5))
@settings(deadline=None)
def test_merged_sketches_are_that_of_all_values(groups: list[list[float]]) -> None:
    merged = Sketch()
    for group in groups:
        merged.merge(sketch_of(group))
    whole = sketch_of([value for group in groups for value in group])
    assert (merged.above, merged.below, sorted(merged.values)) == (whole.above, whole.below, sorted(whole.values))


def test_a_sketch_of_wild_values_stays_small() -> None:
    made = sketch_of([1.03**n for n in range(-20_000, 20_000)])
    assert len(made.above) <= BUCKETS
    assert made.quantile(0.999) == pytest.approx(1.03**19_959, rel=0.01)
