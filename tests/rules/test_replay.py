"""Two versions of a rule over one history."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rules.rehearsal.replay import Replay

HISTORY = st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 4_000_000), st.integers(25, 36)), max_size=60)


@pytest.fixture
def versions(example):
    old = example("overheat")
    return old, replace(old, spec=replace(old.spec, variables={"limit": 34, "hysteresis": 3}))


def told(replay, fact, history):
    at = 0
    pairs = []
    for device, wait, value in history:
        at += wait
        pairs += replay.tell(fact(f"default/thermometer-{device}", "temperature", value, at=at))
    return [*pairs, *replay.finish(at + 60_000_000)]


def test_what_only_one_version_decides_and_what_both_do_is_told_and_counted(versions, fact):
    replay = Replay(*versions, zone="UTC", start=0, since=0)
    second = 1_000_000
    history = [(1, 0, 33), (1, 5 * second, 20), (2, second, 35), (2, 5 * second, 20)]
    pairs = told(replay, fact, history)
    assert [(p.one.at // second, p.one.key[-1], p.old and p.old.after, p.new and p.new.after) for p in pairs] == [
        (2, "1", "Hot", None),
        (5, "1", "Normal", None),
        (8, "2", "Hot", "Hot"),
        (11, "2", "Normal", "Normal"),
    ]
    assert [pair.same for pair in pairs] == [False, False, False, True]  # the alert names the limit
    counts = replay.counts
    assert (counts.facts, counts.old, counts.new) == (4, 4, 2)
    assert (counts.same, counts.changed, counts.only_old, counts.only_new) == (1, 1, 2, 0)


def test_what_was_decided_while_warming_up_does_not_count(versions, fact):
    replay = Replay(*versions, zone="UTC", start=0, since=9_000_000)
    pairs = told(replay, fact, [(1, 0, 35), (1, 10_000_000, 20)])
    assert [(each.one.at, each.same) for each in pairs] == [(10_000_000, True)]
    assert replay.counts.old == replay.counts.new == 1


def test_one_version_alone_is_told_in_full(versions, fact):
    replay = Replay(None, versions[1], zone="UTC", start=0, since=0)
    pairs = told(replay, fact, [(1, 0, 35), (1, 10_000_000, 20)])
    assert [(each.old, each.new.after) for each in pairs] == [(None, "Hot"), (None, "Normal")]
    assert replay.counts.only_new == 2


@settings(max_examples=60, deadline=None)
@given(history=HISTORY)
def test_a_rule_differs_in_nothing_from_itself_and_all_is_counted(example, fact, history):
    rule = example("overheat")
    replay = Replay(rule, rule, zone="UTC", start=0, since=0)
    pairs = told(replay, fact, history)
    assert all(pair.same for pair in pairs)
    counts = replay.counts
    assert counts.old == counts.new == counts.same == len(pairs)
    assert [pair.one.at for pair in pairs] == sorted(pair.one.at for pair in pairs)
