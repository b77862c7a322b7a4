"""Versions: what there was, what changed since, and what is forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.kubernetes.history import Expired, History, Versions, stamped

FIRST = 100


def thing(name: str, value: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"value": str(value)}}, "spec": {"value": value}}


def history(**limits: int) -> History:
    return History(Versions(FIRST), **limits)


def test_each_change_has_a_version_of_its_own_and_stands_in_its_object():
    h = history()
    h.put("default/a", thing("a"))
    h.put("default/b", thing("b"))
    assert [msgspec.json.decode(e.body)["metadata"]["resourceVersion"] for e in h.entries.values()] == ["101", "102"]
    assert h.version == h.newest == 102


def test_the_same_object_again_is_no_change():
    h = history()
    h.put("default/a", thing("a"))
    h.put("default/a", thing("a"))
    h.put("default/never", None)
    assert h.version == 101


def test_what_changed_is_told_in_order_with_what_was_before():
    h = history()
    h.put("default/a", thing("a"))
    h.put("default/a", thing("a", 1))
    h.put("default/a", None)
    told = [(c.version, c.before and c.before.version, c.after and c.after.version) for c in h.since(FIRST)]
    assert told == [(101, None, 101), (102, 101, 102), (103, 102, None)]
    assert h.since(103) == []


def test_a_gone_object_is_told_with_the_version_of_its_end():
    h = history()
    h.put("default/a", thing("a"))
    h.put("default/a", None)
    (_, end) = h.since(FIRST)
    assert end.before is not None
    assert msgspec.json.decode(stamped(end.before, end.version))["metadata"]["resourceVersion"] == "102"


@pytest.mark.parametrize("version", [FIRST - 1, 1, 10**12])
def test_a_version_of_another_life_is_expired(version):
    h = history()
    h.put("default/a", thing("a"))
    with pytest.raises(Expired):
        h.since(version)


def test_the_oldest_changes_are_forgotten_by_number():
    h = history(kept=3)
    for value in range(5):
        h.put("default/a", thing("a", value))
    assert [c.version for c in h.since(102)] == [103, 104, 105]
    with pytest.raises(Expired):
        h.since(101)


def test_the_oldest_changes_are_forgotten_by_size():
    h = history(kept_bytes=2000)
    for value in range(50):
        h.put("default/a", thing("a" * 300, value))
    assert 1 <= len(h.since(148)) <= 3
    with pytest.raises(Expired):
        h.since(140)


def test_a_change_that_is_larger_than_all_room_is_kept_by_nobody_and_holds_all_the_same():
    h = history(kept_bytes=100)
    h.put("default/a", thing("a" * 300))
    assert list(h.entries) == ["default/a"]
    assert h.since(101) == []


def test_histories_share_versions_and_forget_apart():
    versions = Versions(FIRST)
    quiet, busy = History(versions, kept=2), History(versions, kept=2)
    quiet.put("default/q", thing("q"))
    for value in range(10):
        busy.put("default/b", thing("b", value))
    assert quiet.version == busy.version == 111
    assert [c.version for c in quiet.since(FIRST)] == [101]
    with pytest.raises(Expired):
        busy.since(FIRST)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 3)), max_size=40))
def test_every_state_can_be_told_again_while_its_changes_are_kept(steps):
    h = history(kept=20)
    states = {FIRST: {}}
    for name, value in steps:
        h.put(f"default/{name}", None if value is None else thing(name, value))
        states[h.version] = dict(h.entries)
    for version, state in states.items():
        try:
            assert h.at(version) == state
        except Expired:
            assert version < h.version - 19


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 3)), max_size=40), st.integers(0, 40))
def test_a_list_and_the_changes_after_it_make_what_there_is(steps, cut):
    h = history()
    listed, version = {}, FIRST
    for number, (name, value) in enumerate(steps):
        if number == cut:
            listed, version = dict(h.entries), h.version
        h.put(f"default/{name}", None if value is None else thing(name, value))
    for change in h.since(version):
        if change.after is None:
            assert change.before is not None
            assert listed.pop(change.before.key) == change.before
        else:
            assert listed.get(change.after.key) == change.before
            listed[change.after.key] = change.after
    assert listed == h.entries
