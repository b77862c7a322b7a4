"""What becomes of instances when their detector is changed or removed."""

from __future__ import annotations

import pytest

from rules.instructions import Decided, Drop, Raise, Wake
from twins.errors import Rejected

START = {"do": [{"timer": {"name": "x", "seconds": 60}}]}
TO_B = {"to": "B", "when": "t > 1.0"}
BOTH = {"A": {"onInput": {"events": [START], "transitions": [TO_B]}}, "B": {}}
KEY = "default/rule/default/t-1"


def test_an_unchanged_detector_changes_nothing(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 2)
    assert site.rules.apply(detector(states=BOTH)) == []
    assert site.state() == "B"


def test_state_values_and_timers_go_on_in_a_changed_detector(site, detector, look):
    site.apply(detector(states=BOTH, variables={"n": 1}))
    site.fact("t-1", "t", 2)
    rang = {"to": "A", "name": "rang", "when": 'timeout("x")'}
    site.apply(detector(states=BOTH | {"B": {"onInput": {"transitions": [rang]}}}, variables={"n": 9, "m": 3}))
    assert site.state() == "B"
    assert site.rules.views()[0].instances[0].values == {"n": 1.0, "t": 2.0, "m": 3.0}
    assert look.chosen(site.wait(60)) == ["rang"]


def test_a_state_that_is_gone_is_refused_with_the_number_of_instances_in_it(site, detector):
    site.apply(detector(states=BOTH))
    for device, value in (("t-1", 2), ("t-2", 2), ("t-3", 0)):
        site.fact(device, "t", value)
    with pytest.raises(Rejected, match=r"'B' is gone, with 2 of 3 instances in it; write migration: map"):
        site.rules.apply(detector(states={"A": {}}))
    assert site.state() == "B"
    assert site.rules.detectors["default/rule"].spec.states.keys() == {"A", "B"}


def test_a_map_names_the_new_state_and_the_new_variable(site, detector, look):
    site.apply(detector(states=BOTH, variables={"n": 1, "m": 2}))
    site.fact("t-1", "t", 2)
    rang = {"to": "A", "name": "rang", "when": 'timeout("x") && count == 1.0'}
    states = {"A": BOTH["A"] | {"onInput": {"events": [START], "transitions": [{"to": "Busy"}]}}}
    states["Busy"] = {"onInput": {"transitions": [rang]}}
    names = {"states": {"B": "Busy"}, "variables": {"n": "count"}}
    site.apply(detector(states=states, variables={"count": 7, "m": 9}, migration="map", map=names))
    assert site.state() == "Busy"
    assert site.rules.views()[0].instances[0].values == {"count": 1.0, "m": 2.0, "t": 2.0}
    assert look.chosen(site.wait(60)) == ["rang"]
    assert look.told(site.done) == []


def test_names_that_a_map_exchanges_are_exchanged_once_and_not_at_a_restart(site, detector):
    both = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0"}]}}, "B": {}}
    site.apply(detector(states=both, variables={"n": 1, "m": 2}))
    site.fact("t-1", "t", 2)
    names = {"states": {"A": "B", "B": "A"}, "variables": {"n": "m", "m": "n"}}
    changed = detector(states=both, variables={"n": 1, "m": 2}, migration="map", map=names)
    site.apply(changed)
    site.restart(changed)
    assert site.state() == "A"
    assert site.rules.views()[0].instances[0].values == {"n": 2.0, "m": 1.0, "t": 2.0}


def test_a_reset_is_told_and_instances_begin_anew_with_their_next_input(site, detector, look):
    site.apply(detector(states=BOTH))
    for device in ("t-1", "t-2"):
        site.fact(device, "t", 2)
    out = site.rules.apply(detector(states=BOTH, variables={"n": 1}, migration="reset"), 9, "cause")
    assert [each for each in out if isinstance(each, (Wake, Drop, Decided))] == [
        *(
            each
            for n in (1, 2)
            for each in (Wake(f"default/rule/default/t-{n}#x", None), Drop(f"default/rule/default/t-{n}"))
        ),
        *(Decided("default/rule", f"default/t-{n}", "reset", "B", "", "cause") for n in (1, 2)),
    ]
    (event,) = [each.event for each in out if isinstance(each, Raise)]
    assert (event.at, event.object, event.cause) == (9, "default/rule", "cause")
    assert event.message == "2 instances of rule default/rule began anew: its manifest was changed"
    assert event.detail["instances"] == "default/t-1, default/t-2"
    site.fact("t-1", "t", 0)
    assert site.state() == "A"


def test_a_reset_rule_is_not_reset_by_a_restart(site, detector):
    made = detector(states=BOTH, migration="reset")
    site.apply(made)
    site.fact("t-1", "t", 2)
    site.restart(made)
    assert site.state() == "B"


def test_a_debounce_that_is_gone_is_taken_back(site, detector):
    slow = {"to": "B", "when": "t > 1.0", "for": "5s"}
    site.apply(detector(states={"A": {"onInput": {"transitions": [slow]}}, "B": {}}))
    site.fact("t-1", "t", 2)
    site.apply(detector(states={"A": {"onInput": {"transitions": [TO_B]}}, "B": {}}))
    assert site.timers == {}


def test_a_value_of_another_type_is_forgotten(site, detector):
    site.apply(detector(variables={"n": 1}))
    site.fact("t-1", "t", 1)
    site.apply(detector(inputs={"t": {"device": "t-*", "property": "t", "type": "string"}}, variables={"n": "a"}))
    assert site.rules.views()[0].instances[0].values == {"n": "a"}


def test_another_key_is_refused_unless_instances_are_to_begin_anew(site, detector, look):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    with pytest.raises(Rejected, match="1 instance cannot be told apart by another key; write migration: reset"):
        site.rules.apply(detector(states=BOTH, key="all"))
    site.apply(detector(states=BOTH, key="all", migration="reset"))
    assert (site.states, site.timers, site.rules.instances) == ({}, {}, 0)
    assert look.told(site.done) == ["1 instance of rule default/rule began anew: its manifest was changed"]
    site.fact("t-1", "t", 0)
    assert site.state("all") == "A"


def test_another_key_before_there_are_instances_is_taken(site, detector):
    site.apply(detector(states=BOTH))
    site.apply(detector(states=BOTH, key="all"))
    site.fact("t-1", "t", 0)
    assert site.state("all") == "A"


def test_a_removed_detector_leaves_nothing_behind(site, detector, fact):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    assert site.rules.remove("default/rule") == [Wake(f"{KEY}#x", None), Drop(KEY)]
    assert site.rules.views() == []
    assert site.rules.handle(fact("default/t-1", "t", 1), 0) == []
    assert site.rules.expire(f"{KEY}#x", 10**9, "c") == []
    assert site.rules.remove("default/rule") == []


def test_a_detector_removed_before_it_is_applied_again_takes_its_kept_instances_along(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    site.restart()
    assert site.rules.remove("default/rule") == [Wake(f"{KEY}#x", None), Drop(KEY)]


def test_a_manifest_that_another_version_left_begins_anew_only_what_it_does_not_know(site, detector, look):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 2)
    site.fact("t-2", "t", 0)
    site.restart(detector(states={"A": BOTH["A"] | {"onInput": {"events": [START]}}}))
    assert look.told(site.done) == ["1 instance of rule default/rule began anew: the state they were in is gone"]
    assert (site.state("default/t-2"), list(site.timers)) == ("A", ["default/rule/default/t-2#x"])


def test_a_device_that_leaves_takes_its_own_instance_along(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    site.fact("t-2", "t", 0)
    assert site.rules.forget("default/t-1") == [Wake(f"{KEY}#x", None), Drop(KEY)]
    assert site.rules.instances == 1
    site.apply(detector(states=BOTH, key="default/t-2", migration="reset"))
    site.fact("t-2", "t", 0)
    assert site.rules.forget("default/t-2") == []  # a shared key that only looks like the device
