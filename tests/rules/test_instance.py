from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.instance import Record, revive

names = st.text(min_size=1, max_size=8)
scalars = st.one_of(st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))


@given(names, names, st.integers(0, 2**62), st.text(max_size=20), st.dictionaries(names, scalars, max_size=5))
def test_what_is_kept_is_read_back_and_kept_alike(key, state, since, device, values):
    record = Record(key, state, since, values)
    record.device = device
    body = record.news()
    assert body is not None
    again = revive(key, body)
    assert again is not None
    assert (again.key, again.state, again.since, again.device, again.values) == (key, state, since, device, values)
    assert [type(value) for value in again.values.values()] == [type(value) for value in values.values()]
    assert again.news() is record.news() is None  # it is kept already


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x93\xa1A\x00\xa0", b"not ours"])
def test_foreign_bytes_are_no_instance(body):
    assert revive("default/t-1", body) is None


def test_the_earliest_timer_is_overdue_first():
    record = Record("k", "A", 0, {})
    record.timers = {"b": 5, "a": 5, "c": 9}
    assert record.overdue(4) is None
    assert record.overdue(5) == "a"
    record.timers = {"c": 9}
    assert record.overdue(10) == "c"
