"""What a detector reads and asks for, over patterns of devices."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.lint.effects import Place, effects

PATTERNS = st.text("ab*?", max_size=5)
TEXTS = ["".join(signs) for size in range(6) for signs in product("ab", repeat=size)]


@settings(max_examples=400, deadline=None)
@given(left=PATTERNS, right=PATTERNS)
def test_two_patterns_meet_exactly_when_some_device_fits_both(left, right):
    both = any(fnmatchcase(text, left) and fnmatchcase(text, right) for text in TEXTS)
    longest = sum(sign != "*" for sign in left) + sum(sign != "*" for sign in right)
    if both or longest <= 5:  # a text that fits both needs no more signs than they have
        assert Place(left, "p").meets(Place(right, "p")) == both


def test_places_of_different_properties_never_meet():
    assert not Place("default/*", "speed").meets(Place("default/*", "state"))


@pytest.mark.parametrize(
    ("device", "places"),
    [
        ("pump-1", ["default/pump-1"]),
        ("other/pump-1", ["other/pump-1"]),
        ('pump-${part(device, "-", 1)}', ["default/pump-*"]),
        ("${device}", ["default/t-*", "site/u-?"]),
        ("${key}/${input}", ["*/*"]),
    ],
)
def test_a_device_with_expressions_is_a_pattern_of_what_it_may_be(detector, device, places):
    inputs = {"t": {"device": "t-*", "property": "t"}, "u": {"device": "site/u-?", "property": "u"}}
    do = [{"set": {"device": device, "property": "speed", "value": "1.0"}}]
    made = effects(detector(inputs=inputs, states={"A": {"onEnter": {"events": [{"do": do}]}}}))
    assert [write.place.device for write in made.writes] == places
    assert [read.place for read in made.reads] == [Place("default/t-*", "t"), Place("site/u-?", "u")]


@pytest.mark.parametrize(
    ("value", "constant"), [('"80"', "80"), ("80", "80"), ("40.0 * 2.0", "80"), ("t", None), ("1 / 0", None)]
)
def test_a_value_without_names_is_known_beforehand(detector, value, constant):
    do = [{"set": {"device": "p", "property": "speed", "value": value}}]
    made = effects(detector(states={"A": {"onEnter": {"events": [{"do": do}]}}}))
    assert [write.value for write in made.writes] == [constant]
