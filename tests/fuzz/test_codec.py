"""The fuzz target without a fuzzer: every seed, and some thousands of inputs made of them."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.codec import DOORS, FORMATS, STRICT, check
from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import seeds

SEEDS = list(seeds())
INPUTS = 4000

names = st.sampled_from(
    ["event_id", "timestamp", "twin", "Twin", "state", "actual", "expected", "value", "metadata", "type"]
)
odd = st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, -0.0, "", "\0", "\u202e", "ü" * 8193, "deleted", "int"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
kinds = st.sampled_from([kind | mode for kind in range(len(DOORS) + len(FORMATS)) for mode in (0, STRICT)])


def test_what_the_case_table_says_breaks_nothing() -> None:
    assert len(SEEDS) > 200
    for seed in SEEDS:
        check(seed)


def test_what_is_nearly_right_breaks_nothing() -> None:
    chance = Random(20_261_121)
    for _ in range(INPUTS):
        check(mutated(chance, SEEDS))


@settings(max_examples=300)
@given(kinds, trees)
def test_any_tree_is_read_or_refused(kind: int, tree: object) -> None:
    check(bytes([kind]) + json.dumps(tree).encode())


@pytest.mark.parametrize("kind", range(len(DOORS) + len(FORMATS)))
def test_an_empty_body_is_read_or_refused(kind: int) -> None:
    check(bytes([kind]))
    check(bytes([kind | STRICT]))
