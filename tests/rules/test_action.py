from __future__ import annotations

import pytest

from rules.instructions import Command, Raise, Wake


def doing(*actions, when=None):
    """One state that does something at every input."""
    return {"A": {"onInput": {"events": [{"do": list(actions)} | ({"when": when} if when else {})]}}}


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("pump-1", "default/pump-1"),
        ("other/pump-1", "other/pump-1"),
        ("${device}", "default/t-1"),
        ('pump-${part(device, "-", 1)}', "default/pump-1"),
    ],
)
def test_a_command_names_its_device(site, detector, look, device, expected):
    site.apply(detector(states=doing({"set": {"device": device, "property": "speed", "value": "t"}})))
    assert look.asked(site.fact("t-1", "t", 2)) == [(expected, {"speed": "2"})]


@pytest.mark.parametrize(
    ("value", "expected"), [("t * 2.0", "3"), ("t > 1.0", "true"), ('"slow"', "slow"), ("t", "1.5"), ("-t", "-1.5")]
)
def test_a_command_writes_values_as_twins_do(site, detector, look, value, expected):
    site.apply(detector(states=doing({"set": {"device": "pump", "property": "speed", "value": value}})))
    assert look.asked(site.fact("t-1", "t", 1.5)) == [("default/pump", {"speed": expected})]


def test_a_command_carries_cause_and_rule(site, detector):
    site.apply(detector(states=doing({"set": {"device": "pump", "property": "speed", "value": "t"}})))
    command = next(each for each in site.fact("t-1", "t", 1) if isinstance(each, Command))
    assert (command.cause, command.rule) == ("test:1:1", "default/rule/default/t-1")


def test_a_command_without_a_value_is_not_given_and_noted(site, detector, look):
    inputs = {"t": {"property": "t"}, "u": {"property": "u"}}
    go = {"set": {"device": "pump", "property": "speed", "value": "u"}}
    site.apply(detector(inputs=inputs, states=doing(go)))
    assert look.asked(site.fact("t-1", "t", 1)) == []
    assert site.rules.views()[0].faults == 1
    assert look.asked(site.fact("t-1", "u", 7)) == [("default/pump", {"speed": "7"})]


def test_an_alert_says_what_where_and_why(site, detector):
    alert = {"alert": {"severity": "warning", "message": "${device} has ${t} of ${limit}"}}
    site.apply(detector(variables={"limit": 5}, states=doing(alert)))
    event = next(each.event for each in site.fact("t-1", "t", 6.5) if isinstance(each, Raise))
    assert (event.kind, event.object, event.severity, event.cause) == ("alert", "default/t-1", "warning", "test:1:1")
    assert event.message == "default/t-1 has 6.5 of 5"
    assert event.detail == {
        "rule": "default/rule",
        "instance": "default/t-1",
        "state": "A",
        "trigger": "t",
        "value.limit": "5",
        "value.t": "6.5",
    }


def test_the_same_input_raises_the_same_event_and_another_one_another(make_site, detector):
    alert = {"alert": {"message": "x"}}
    ids = []
    for _ in range(2):
        site = make_site().apply(detector(states=doing(alert, alert)))
        for device in ("t-1", "t-2", "t-1"):
            ids.append([each.event.id for each in site.fact(device, "t", 1) if isinstance(each, Raise)])
    assert ids[:3] == ids[3:]
    assert len({each for both in ids[:3] for each in both}) == 6


def test_alerts_of_one_periodic_timer_are_different_events(site, detector):
    again = {"timer": {"name": "x", "seconds": 1}}
    site.apply(detector(states=doing({"alert": {"message": "x"}}, again)))
    site.fact("t-1", "t", 1)
    ids = [each.event.id for each in site.wait(5) if isinstance(each, Raise)]
    assert len(ids) == len(set(ids)) == 5


def test_an_assignment_without_a_finite_value_changes_nothing(site, detector):
    site.apply(detector(variables={"n": 1}, states=doing({"assign": {"n": "t == 7.0 ? t : t / 0.0"}})))
    site.fact("t-1", "t", 1)
    assert site.rules.views()[0].instances[0].values["n"] == 1.0
    assert site.rules.views()[0].faults == 1
    site.fact("t-1", "t", 7)
    assert site.rules.views()[0].instances[0].values["n"] == 7.0


def test_a_variable_keeps_the_type_it_began_with(site, detector):
    hidden = "t == 7.5 ? 'text' : ''"  # no sample of the trial is 7.5, so only running it shows the text
    assign = {"assign": {"n": f"t == 7.5 ? dyn({hidden}) : dyn(t)"}}
    site.apply(detector(variables={"n": 1}, states=doing(assign)))
    site.fact("t-1", "t", 7.5)
    assert site.rules.views()[0].instances[0].values["n"] == 1.0
    assert "cannot become 'text'" in site.rules.explain("default/rule")[0].verdicts[0].fault


def test_starting_a_timer_again_moves_its_deadline_and_clearing_takes_it_back(site, detector):
    events = [
        {"when": "t > 0.0", "do": [{"timer": {"name": "x", "seconds": 2}}]},
        {"when": "t < 0.0", "do": [{"clear": "x"}]},
    ]
    site.apply(detector(states={"A": {"onInput": {"events": events}}}))
    name = "default/rule/default/t-1#x"
    assert Wake(name, 2_000_000, b"test:1:1") in site.fact("t-1", "t", 1)
    site.wait(1)
    assert Wake(name, 3_000_000, b"test:1:2") in site.fact("t-1", "t", 1)
    assert Wake(name, None) in site.fact("t-1", "t", -1)
    assert not [each for each in site.fact("t-1", "t", -1) if isinstance(each, Wake)]


def lengths(out):
    return [each.due for each in out if isinstance(each, Wake) and each.due is not None]


@pytest.mark.parametrize(
    ("source", "value", "length"),
    [
        ("t", 0.01, 10_000),
        ("t", 1.2349, 1_234_000),  # whole milliseconds, rounded down
        ("t * 60.0", 2, 120_000_000),
        ("t", 366 * 86400, 366 * 86400 * 1_000_000),
        ("t > 1.0 ? 5.0 : 7.0", 0, 7_000_000),
    ],
)
def test_the_length_of_a_timer_may_be_computed(site, detector, source, value, length):
    do = [{"timer": {"name": "x", "expression": source}}]
    site.apply(detector(states={"A": {"onInput": {"events": [{"do": do}]}}}))
    assert lengths(site.fact("t-1", "t", value)) == [length]


@pytest.mark.parametrize(
    ("value", "why"),
    [(0.009, "is not between 10ms"), (-1, "is not between 10ms"), (1e9, "366 days"), ("?", "t came as '?'")],
)
def test_a_length_that_no_timer_has_starts_none_and_is_told(site, detector, value, why):
    do = [{"timer": {"name": "x", "expression": "t"}}]
    site.apply(detector(states={"A": {"onInput": {"events": [{"do": do}]}}}))
    assert lengths(site.fact("t-1", "t", value)) == []
    assert why in site.rules.explain("default/rule")[-1].verdicts[-1].fault


def test_a_restarted_timer_has_the_length_that_it_had_last_also_in_another_life(site, detector):
    events = [
        {"when": "t > 0.0", "do": [{"timer": {"name": "x", "expression": "t"}}]},
        {"when": "t == 0.0", "do": [{"restart": "x"}]},
        {"when": "t < 0.0", "do": [{"clear": "x"}]},
    ]
    made = detector(states={"A": {"onInput": {"events": events}}})
    site.apply(made)
    assert lengths(site.fact("t-1", "t", 0)) == []  # it was never started
    assert "it was never started" in site.rules.explain("default/rule")[-1].verdicts[-1].fault
    site.fact("t-1", "t", 30)
    site.wait(5)
    assert lengths(site.fact("t-1", "t", 0)) == [35_000_000]  # while it runs, and not of the value of now
    site.fact("t-1", "t", -1)
    site.restart(made)
    assert lengths(site.fact("t-1", "t", 0)) == [35_000_000]  # when it was cleared
    site.wait(60)
    assert lengths(site.fact("t-1", "t", 0)) == [95_000_000]  # when it is over
