"""Functions of the past in a rule: what they see, what is refused, and that they go on after a restart."""

from __future__ import annotations

import pytest

from rules import lint
from rules.expression import Expression
from rules.instructions import Drop, Keep
from rules.past.call import compiled
from rules.values import filled
from twins.errors import Rejected


def told_when(detector, when, **spec):
    event = {"name": "now", "when": when, "do": [{"alert": {"message": "now"}}]}
    return detector(states={"A": {"onInput": {"events": [event]}}}, **spec)


def holds(site, value, device="t-1"):
    evaluated = site.rules.views()[0].decisions
    site.fact(device, "t", value)
    return site.rules.views()[0].decisions > evaluated


def test_an_average_is_of_the_last_minutes_of_one_instance(site, detector):
    site.apply(told_when(detector, "avg(t, '1m') > 50.0"))
    assert [holds(site, value) for value in (40, 70, 20)] == [False, True, False]
    assert holds(site, 90, "t-2")
    site.wait(61)
    assert holds(site, 60)


@pytest.mark.parametrize(
    ("when", "values", "answers"),
    [
        ("previous(t) < t", (1, 2, 2), [False, True, False]),
        ("changed(t)", (1, 1, 2), [True, False, True]),
        ("delta(t, '1m') > 5.0", (1, 3, 9), [False, False, True]),
        ("count(t, '1m') >= 3.0", (1, 1, 1), [False, False, True]),
        ("max(t, '1m') - min(t, '1m') > 5.0", (1, 3, 9), [False, False, True]),
        ("percentile(t, '1m', 50.0) >= 3.0", (1, 3, 9), [False, False, True]),
        ("stddev(t, '1m') > 1.0 && avg(t, '1m') == 2.0", (0, 4, 2), [False, True, True]),
        ("sum(t, '1m') == 6.0", (1, 2, 3), [False, False, True]),
    ],
)
def test_what_each_function_gives(site, detector, when, values, answers):
    site.apply(told_when(detector, when))
    assert [holds(site, value) for value in values] == answers


def test_age_and_windows_go_on_while_no_input_comes(site, detector):
    event = {"name": "start", "when": "input == 't'", "do": [{"timer": {"name": "look", "after": "10s"}}]}
    quiet = {"name": "quiet", "when": "timeout('look') && age(t) >= 10.0 && count(t, '9s') == 0.0", "do": []}
    arrow = {"to": "B", "when": quiet["when"]}
    site.apply(detector(states={"A": {"onInput": {"events": [event], "transitions": [arrow]}}, "B": {}}))
    site.fact("t-1", "t", 1)
    site.wait(11)
    assert site.state() == "B"


def test_a_restart_loses_nothing_of_a_window(site, detector):
    rule = told_when(detector, "avg(t, '10m') > 50.0 && previous(t) == 99.0")
    site.apply(rule)
    for value in (40, 30, 99):
        site.fact("t-1", "t", value)
        site.wait(1)
    written = len(site.done)
    site.restart(rule)
    assert not site.done[written:]
    assert holds(site, 60)


def test_an_input_writes_a_small_row_and_what_left_is_deleted(site, detector):
    site.apply(told_when(detector, "max(t, '10s') > 50.0"))
    for _ in range(100):
        out = site.fact("t-1", "t", 1.5)
        assert sum(len(each.body) for each in out if isinstance(each, Keep)) < 500
        site.wait(1)
    assert sum(key.startswith("window:") for key in site.states) <= 3


def test_rows_go_with_their_instance_and_with_the_function_that_needed_them(site, detector):
    site.apply(told_when(detector, "max(t, '10s') > 50.0 || changed(t)"))
    site.fact("t-1", "t", 1)
    assert len(site.states) == 3
    site.apply(told_when(detector, "max(t, '20s') > 50.0 || changed(t)"))
    assert len(site.states) == 2
    site.fact("t-1", "t", 1)
    assert len(site.states) == 3
    dropped = site.rules.forget("default/t-1")
    assert {each.key for each in dropped if isinstance(each, Drop)} == site.states.keys()


def test_a_window_of_a_changed_rule_goes_on(site, detector):
    site.apply(told_when(detector, "avg(t, '10m') > 50.0"))
    site.fact("t-1", "t", 90)
    site.apply(told_when(detector, "avg(t, '10m') > 40.0 && count(t, '10m') == 2.0"))
    assert holds(site, 1)


def test_rows_without_an_instance_are_deleted_at_a_start(site, detector):
    rule = told_when(detector, "avg(t, '10m') > 50.0")
    site.apply(rule)
    site.fact("t-1", "t", 90)
    del site.states["default/rule/default/t-1"]
    site.restart(rule)
    assert site.states == {}


def test_an_empty_window_says_what_is_missing(site, detector):
    site.apply(told_when(detector, "stddev(t, '1m') > 1.0 && previous(t) > 0.0"))
    site.fact("t-1", "t", 1)
    (verdict,) = site.rules.explain("default/rule")[-1].verdicts
    assert verdict.fault == "t has too few values in the last 60 s for stddev()"


def test_a_boolean_counts_as_one_and_zero(site, detector):
    inputs = {"open": {"property": "open", "type": "boolean"}}
    site.apply(told_when(detector, "avg(open, '1m') > 0.5", inputs=inputs))
    site.fact("t-1", "open", "true")
    site.fact("t-1", "open", "false")
    assert site.rules.views()[0].decisions == 1


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("avg(t) > 1.0", "avg() takes the name of an input and how long: avg(temperature, '5m')"),
        ("avg(t + 1.0, '5m') > 1.0", "avg() takes the name of an input and how long"),
        ("avg('t', '5m') > 1.0", "avg() takes the name of an input and how long"),
        ("avg(t, 'soon') > 1.0", "'soon' is not a duration"),
        ("avg(t, '1ms') > 1.0", "not between 10ms and 366 days"),
        ("percentile(t, '5m') > 1.0", "percentile(temperature, '5m', 95.0)"),
        ("percentile(t, '5m', 101.0) > 1.0", "not between 0.0 and 100.0"),
        ("previous(1.0) > 1.0", "previous() takes the name of an input"),
        ("avg(x, '5m') > 1.0", "'x' is no input and no variable; valid:"),
        ("avg(limit, '5m') > 1.0", "avg() takes an input, and 'limit' is none"),
        ("avg(word, '5m') > 1.0", "avg() takes numbers, and 'word' is a text"),
        ("avg(t, '5m') && true", "no such overload"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_with_its_path(detector, when, reason):
    inputs = {"t": {"property": "t"}, "word": {"property": "word", "type": "string"}}
    (fault,) = lint.faults(told_when(detector, when, inputs=inputs, variables={"limit": 1}))
    assert fault.path == "spec.states.A.onInput.events[0].when"
    assert reason.lower() in fault.reason.lower()


def test_texts_and_members_of_the_same_name_are_no_calls():
    assert compiled("'avg(t, 1)' == x // max(") == ("'avg(t, 1)' == x // max(", ())
    assert compiled("x.count(t) > 1") == ("x.count(t) > 1", ())
    assert Expression("max ( t , \"5m\" ) > avg(t,'5m')").names() == {"t"}


def test_a_window_may_be_long_or_short():
    for size in ("10ms", "366d", "1h30m"):
        assert len(compiled(f"avg(t, '{size}') > 1.0")[1]) == 1
    with pytest.raises(Rejected):
        compiled("avg(t, '367d') > 1.0")


def test_an_explanation_shows_what_each_function_gave(site, detector):
    site.apply(told_when(detector, "avg(t, '1m') > 50.0 || percentile( t, '90s', 95 ) > 1.0 && changed(t)"))
    site.fact("t-1", "t", 40)
    (verdict,) = site.rules.explain("default/rule")[-1].verdicts
    assert verdict.given == {
        "t": 40.0,
        "avg(t, 60s)": 40.0,
        "percentile(t, 90s, 95.0)": 40.0,
        "changed(t)": True,
    }
    assert filled(verdict.source, verdict.given) == "40 > 50.0 || 40 > 1.0 && true"
