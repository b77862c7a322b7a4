"""Timers that came due while the gateway was down: each says what becomes of it."""

from __future__ import annotations

import pytest

from rules import lint
from rules.explain import Effect
from rules.instructions import Decided, Explained, Wake

TIMER = "default/rule/default/t-1#x"


def waiting(detector, late, **more):
    """A rule that starts a timer of 10 s with its first input."""
    start = {"when": 't == 0.0 && !timeout("x")', "do": [{"timer": {"name": "x", "seconds": 10, "late": late}}]}
    rang = {"name": "rang", "when": 'timeout("x")', "do": [{"alert": {"message": "rang"}}]}
    return detector(states={"A": {"onInput": {"events": [start, rang]}}}, **more)


@pytest.mark.parametrize(
    ("late", "down", "rings"),
    [
        ("fire", 5, 1),  # 4 s before and 5 s after: 1 s remains
        ("fire", 60, 0),
        ("skip", 5, 1),
        ("skip", 60, None),
        ("resume", 5, 6),
        ("resume", 60, 6),
        ("resume", 0, 6),
    ],
)
def test_a_timer_goes_on_as_it_says(site, detector, look, late, down, rings):
    made = waiting(detector, late)
    site.apply(made)
    site.fact("t-1", "t", 0)
    site.wait(4)
    site.down(down, made)
    back = site.now
    out = site.wait(120)
    assert look.told(out) == ([] if rings is None else ["rang"])
    assert [each.event.at - back for each in out if hasattr(each, "event")] == (
        [rings * 1e6] if rings is not None else []
    )
    assert site.timers == {}


def test_what_remains_counts_over_several_lives(site, detector, look):
    made = waiting(detector, "resume")
    site.apply(made)
    site.fact("t-1", "t", 0)
    for _ in range(3):
        site.wait(3)
        site.down(100, made)
    assert look.told(site.wait(0.9)) == []
    assert look.told(site.wait(0.1)) == ["rang"]


def test_a_timer_that_was_skipped_is_told_and_decided_with_the_cause_that_set_it(site, detector):
    made = waiting(detector, "skip")
    site.apply(made)
    site.fact("t-1", "t", 0)
    site.done.clear()
    site.down(60, made)
    (evaluation,) = site.rules.why("test:1:1")
    assert site.done == [
        Explained(evaluation),
        Wake(TIMER, None),
        Decided("default/rule", "default/t-1", "skip x", "A", "A", "test:1:1"),
    ]
    assert (evaluation.trigger, evaluation.chosen) == ("timer x@10000000", "skip x")
    assert [verdict.fault for verdict in evaluation.verdicts] == ["it came due while the gateway was down"]
    assert evaluation.effects == (Effect("clear", "x"),)


def test_the_time_of_a_condition_goes_on_while_the_gateway_is_down_and_it_is_looked_at_then(site, detector):
    slow = {"to": "B", "when": "t > 1.0", "for": "10s"}
    made = detector(states={"A": {"onInput": {"transitions": [slow]}}, "B": {}})
    site.apply(made)
    site.fact("t-1", "t", 2)
    site.down(60, made)
    assert site.state() == "A"
    site.wait(0)
    assert site.state() == "B"


def test_a_timer_that_resumes_says_that_it_pauses_however_it_is_set(site, detector):
    site.apply(waiting(detector, "resume"))
    assert Wake(TIMER, 10_000_000, b"test:1:1", pauses=True) in site.fact("t-1", "t", 0)
    assert site.rules.expire(TIMER, 1, "c") == [Wake(TIMER, 10_000_000, b"c", pauses=True)]


@pytest.mark.parametrize("late", ["fire", "resume"])
def test_timers_of_a_rule_that_did_not_hold_at_the_start_are_set_again_when_it_does(site, detector, look, late):
    """As a manifest that a newer version refuses, until somebody mends it."""
    made = waiting(detector, late)
    site.apply(made)
    site.fact("t-1", "t", 0)
    site.down(1)
    assert site.wait(60) == []
    assert site.timers == {}
    site.apply(waiting(detector, late, description="mended"))
    assert look.told(site.wait(0)) == ["rang"]


def test_one_timer_has_one_policy(detector):
    timers = [{"do": [{"timer": {"name": "x", "seconds": 1, "late": late}}]} for late in ("skip", "fire")]
    (fault,) = lint.faults(detector(states={"A": {"onInput": {"events": timers}}}))
    assert str(fault).startswith("spec.states.A.onInput.events[0].do[0].timer.late: another action starts 'x'")
