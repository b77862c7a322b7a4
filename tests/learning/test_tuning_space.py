"""What a trial may set: values of the manifest alone, one stride away at most, whatever is drawn."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.tuning.space import Axis, allows, step
from tests.learning.tunings import tuning
from twins.errors import Rejected

WHOLE = st.floats(-1000, 1000, allow_nan=False, width=32)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    least = draw(WHOLE)
    width = draw(st.floats(0.5, 500, width=32))
    part = draw(st.integers(2, 200))
    stride = draw(st.sampled_from([0.0, width / part, width / 3, width]))
    return Axis(least, least + width, width / part, stride)


@given(axes(), st.integers(0, 10_000), st.floats(0, 1))
def test_no_step_leaves_the_bounds_or_is_longer_than_the_stride(axis: Axis, seed: int, part: float) -> None:
    here = repr(axis.least + part * (axis.most - axis.least))
    (there,) = step((axis,), (here,), random.Random(seed))
    slack = 1e-6 * max(1.0, abs(axis.least), abs(axis.most))
    assert axis.least - slack <= float(there) <= axis.most + slack
    assert not axis.stride or abs(float(there) - float(here)) <= axis.stride + slack
    assert there == here or allows((axis,), (here,), (there,))


def test_what_is_no_step_is_not_allowed() -> None:
    axis, words = Axis(0, 100, 1, 20), Axis(choices=("eco", "fast"))
    assert allows((axis, words), ("50", "eco"), ("70", "fast"))
    for then in (("71", "eco"), ("50.5", "eco"), ("50", "turbo"), ("nan", "eco"), ("50",)):
        assert not allows((axis, words), ("50", "eco"), then)


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"min": 1}, "needs min and max"),
        ({"min": 2, "max": 1}, "not below max"),
        ({"min": 0, "max": 1, "step": 1e-6}, "more than 10000 values"),
        ({"min": 0, "max": 10, "step": 2, "stride": 1}, "less than step"),
        ({"choices": ["a"]}, "two values at least"),
        ({"choices": ["a", "b"], "min": 1}, "has choices"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_with_its_place(parameter: dict[str, Any], said: str) -> None:
    with pytest.raises(Rejected, match=said) as error:
        tuning(parameters=[{"device": "press", "property": "speed"} | parameter])
    assert "spec.parameters[0]" in str(error.value)
