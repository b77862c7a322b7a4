"""Commands as they are written: checked, carried as the value of a fact, and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.alarms.order import COMMANDS, LONGEST_NOTE, LONGEST_WHO, Order, order, read, written
from twins.bound import LONGEST_TEXT
from twins.errors import Rejected

LINE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")))


@given(
    command=st.sampled_from(COMMANDS),
    who=LINE.filter(lambda text: "|" not in text).map(lambda text: text[:LONGEST_WHO]),
    note=LINE.map(lambda text: text[:LONGEST_NOTE]),
    length=st.integers(0, 366 * 86400 * 10**6),
)
def test_what_is_written_is_read_back_and_fits_into_a_fact(command, who, note, length):
    given = Order(command, who, note, length)
    assert read(written(given)) == given
    assert len(written(given)) <= LONGEST_TEXT


@given(st.text(max_size=300))
def test_what_is_no_command_is_none(text):
    found = read(text)
    assert found is None or found.command in COMMANDS


@pytest.mark.parametrize(
    ("command", "more", "told", "code"),
    [
        ("explode", {}, "'explode' is no command to an alarm: acknowledge, snooze", 404),
        ("reset", {"length": "5m"}, "reset takes no time: only snooze does", 400),
        ("snooze", {"length": "soon"}, "for: 'soon' is not a duration", 400),
        ("snooze", {"length": 0.001}, "for: 0.001 is not between", 400),
        ("reset", {"who": "x" * (LONGEST_WHO + 1)}, "who: at most 64 printable", 400),
        ("reset", {"note": "a\nb"}, "note: at most 150 printable", 400),
    ],
)
def test_a_bad_command_is_refused_with_the_reason(command, more, told, code):
    with pytest.raises(Rejected, match=told) as refused:
        order(command, **more)
    assert refused.value.code == code
