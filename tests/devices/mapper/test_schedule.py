from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.mapper.pace import Pace
from devices.mapper.schedule import Schedule


def test_cycles_share_a_grid_so_that_they_are_due_together() -> None:
    schedule = Schedule(100.0)
    schedule.plan({"a": 1.0, "b": 1.0, "c": 2.0}, 100.0)
    assert schedule.take(100.0) == ["a", "b", "c"]
    assert schedule.next == 101.0
    assert schedule.take(101.0) == ["a", "b"]
    assert schedule.take(102.0) == ["a", "b", "c"]


def test_turns_that_were_missed_are_left_out() -> None:
    schedule = Schedule(0.0)
    schedule.plan({"a": 1.0}, 0.0)
    schedule.take(0.0)
    assert schedule.take(7.3) == ["a"]
    assert schedule.next == 8.0


def test_a_new_or_changed_cycle_is_due_at_once_and_the_others_keep_their_turn() -> None:
    schedule = Schedule(0.0)
    schedule.plan({"a": 1.0, "b": 1.0}, 0.0)
    schedule.take(0.0)
    schedule.plan({"a": 1.0, "b": 3.0, "c": 1.0}, 0.5)
    assert schedule.take(0.5) == ["b", "c"]
    schedule.hurry("a", 0.6)
    schedule.hurry("unknown", 0.6)
    assert schedule.take(0.6) == ["a"]
    schedule.plan({}, 0.7)
    assert schedule.next is None


@given(st.floats(0.01, 1e4), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_next_turn_is_always_ahead_and_never_further_than_a_cycle(
    cycle: float, origin: float, later: float
) -> None:
    schedule = Schedule(origin)
    schedule.plan({"a": cycle}, origin)
    now = origin + later
    schedule.take(now)
    assert schedule.next is not None
    assert now < schedule.next <= now + cycle + 0.0051


def test_reports_go_at_their_rate_and_at_edgecores_after_a_refusal() -> None:
    pace = Pace(10.0, 0.0)
    assert [pace.delay(0.0) for _ in range(10)] == [0.0] * 10
    assert pace.delay(0.0) == pytest.approx(0.1)
    assert pace.delay(0.1) == 0.0
    pace.refused(0.1)
    assert pace.rate == 1.0
    assert pace.delay(0.1) == pytest.approx(1.0)
    assert pace.delay(1.1) == 0.0
    assert pace.delay(50.0) == 0.0
    assert pace.delay(50.0) == pytest.approx(1.0)  # nothing is saved up
    pace.reset()
    assert pace.rate == 10.0
