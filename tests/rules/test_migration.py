"""What becomes of instances when their detector is changed or removed."""

from __future__ import annotations

from rules.instructions import Decided, Drop, Keep, Wake

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


def test_a_state_that_is_gone_becomes_the_initial_one_and_is_told(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 2)
    out = site.rules.apply(detector(states={"A": {}}))
    assert Decided("default/rule", "default/t-1", "reset", "B", "A", "") in out
    assert Wake(f"{KEY}#x", None) in out
    assert [each.key for each in out if isinstance(each, Keep)] == [KEY]
    assert site.state() == "A"


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


def test_another_key_begins_anew(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    site.apply(detector(states=BOTH, key="all"))
    assert (site.states, site.timers, site.rules.instances) == ({}, {}, 0)
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


def test_a_change_during_the_downtime_is_taken_like_any_other(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 2)
    site.restart(detector(states={"A": {}}))
    assert site.state() == "A"
    assert site.timers == {}


def test_a_device_that_leaves_takes_its_own_instance_along(site, detector):
    site.apply(detector(states=BOTH))
    site.fact("t-1", "t", 0)
    site.fact("t-2", "t", 0)
    assert site.rules.forget("default/t-1") == [Wake(f"{KEY}#x", None), Drop(KEY)]
    assert site.rules.instances == 1
    site.apply(detector(states=BOTH, key="default/t-2"))
    site.fact("t-2", "t", 0)
    assert site.rules.forget("default/t-2") == []  # a shared key that only looks like the device
