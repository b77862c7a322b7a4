"""Rules that fight for one twin, and rules that set each other off."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rules import lint


@pytest.fixture
def rule(detector):
    """A rule `default/NAME` that reads one property and asks for another."""

    def make(name, reads, asks, value='"1"'):
        device, prop = reads
        target, wanted = asks
        do = [{"set": {"device": target, "property": wanted, "value": value}}]
        made = detector(
            inputs={"t": {"device": device, "property": prop}},
            states={"A": {"onInput": {"events": [{"when": "t > 1.0", "do": do}]}}},
        )
        assert lint.faults(made) == []
        return replace(made, metadata=replace(made.metadata, name=name))

    return make


def judged(*rules):
    neighbours = lint.Neighbours()
    for each in rules:
        neighbours.put(each)
    return {each.id: list(neighbours.faults(each.id)) for each in rules}


def test_two_rules_that_ask_different_values_of_one_device_are_told_of_each_other(rule):
    heat = rule("heat", ("room-*", "temperature"), ("valve-*", "position"), '"100"')
    away = rule("away", ("house", "mode"), ("valve-3", "position"), '"0"')
    found = judged(heat, away)
    (fault,) = found["default/heat"]
    assert (fault.level, fault.path) == ("warning", "spec.states.A.onInput.events[0].do[0].set")
    assert fault.reason.startswith(
        "asks position of default/valve-* = 100, and default/away position of default/valve-3 = 0 "
        "(spec.states.A.onInput.events[0].do[0].set)"
    )
    (fault,) = found["default/away"]
    assert "default/heat position of default/valve-* = 100" in fault.reason


def test_who_asks_the_same_value_or_of_other_devices_does_not_fight(rule):
    one = rule("one", ("a", "x"), ("valve-1", "position"), '"100"')
    same = rule("same", ("b", "x"), ("valve-1", "position"), "100.0")
    other = rule("other", ("c", "x"), ("valve-2", "position"), '"0"')
    property_ = rule("property", ("d", "x"), ("valve-1", "mode"), '"0"')
    assert judged(one, same, other, property_) == {
        name: [] for name in ("default/one", "default/same", "default/other", "default/property")
    }


def test_a_computed_value_may_differ_from_any(rule):
    one = rule("one", ("a", "x"), ("valve-1", "position"), "t")
    other = rule("other", ("b", "x"), ("valve-1", "position"), "t")
    assert "= t, and default/other position of default/valve-1 = t" in judged(one, other)["default/one"][0].reason


def test_a_loop_over_three_rules_is_named_from_each_of_them(rule):
    a = rule("a", ("lamp", "power"), ("fan-1", "speed"))
    b = rule("b", ("fan-*", "speed"), ("door", "open"))
    c = rule("c", ("do?r", "open"), ("lamp", "power"))
    bystander = rule("bystander", ("lamp", "power"), ("siren", "on"))
    found = judged(a, b, c, bystander)
    (fault,) = found["default/b"]
    assert fault.level == "warning"
    assert fault.reason == (
        "is part of a loop: default/b asks open of default/door, default/c asks power of default/lamp, "
        "default/a asks speed of default/fan-1, and that sets off default/b again"
    )
    assert [len(faults) for faults in found.values()] == [1, 1, 1, 0]


def test_a_rule_that_reads_what_it_asks_for_is_told_without_alarm(rule):
    (fault,) = judged(rule("own", ("lamp-*", "power"), ("lamp-1", "power")))["default/own"]
    assert fault.level == "info"


def test_a_chain_is_no_loop(rule):
    a = rule("a", ("lamp", "power"), ("fan", "speed"))
    b = rule("b", ("fan", "speed"), ("door", "open"))
    assert judged(a, b) == {"default/a": [], "default/b": []}


def test_what_changed_or_went_counts_no_more(rule):
    neighbours = lint.Neighbours()
    one = rule("one", ("a", "x"), ("valve-1", "position"), '"100"')
    neighbours.put(one)
    neighbours.put(rule("other", ("b", "x"), ("valve-1", "position"), '"0"'))
    assert len(list(neighbours.faults(one.id))) == 1
    neighbours.put(rule("other", ("b", "x"), ("valve-1", "mode"), '"0"'))
    assert list(neighbours.faults(one.id)) == []
    neighbours.remove(one.id)
    neighbours.remove("default/unknown")
    assert list(neighbours.faults(one.id)) == []


def test_a_loop_of_all_with_all_is_found_in_bounded_steps(rule):
    rules = [rule(f"r{n}", ("*", "x"), (f"d{n}", "x")) for n in range(60)]
    found = judged(*rules)
    assert all([fault.level for fault in faults] == ["info"] for faults in found.values())
