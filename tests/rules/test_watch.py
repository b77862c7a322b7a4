from __future__ import annotations

import time

import pytest


def keys(site):
    return [each.key for view in site.rules.views() for each in view.instances]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", ["default/t-1", "default/x"]),
        ("t-*", ["default/t-1"]),
        ("t-?", ["default/t-1"]),
        ("other/*", ["other/t-1"]),
        ("*/t-1", ["default/t-1", "other/t-1"]),
        ("t-[1]", []),
        ("T-1", []),
        ("t", []),
    ],
)
def test_a_pattern_selects_devices(site, detector, fact, pattern, matches):
    site.apply(detector(inputs={"t": {"device": pattern, "property": "t"}}))
    for device in ("default/t-1", "default/x", "other/t-1"):
        site.rules.handle(fact(device, "t", 1), 0)
    assert keys(site) == matches


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        ("number", "21.5", 21.5),
        ("number", "warm", None),
        ("number", "nan", None),
        ("number", "1e999", None),
        ("boolean", "true", True),
        ("boolean", "OFF", False),
        ("boolean", "maybe", None),
        ("string", "warm", "warm"),
        ("string", "x" * 257, None),
    ],
)
def test_a_value_is_read_by_the_inputs_type(site, detector, type_, value, read):
    site.apply(detector(inputs={"t": {"property": "t", "type": type_}}))
    site.fact("t-1", "t", value)
    values = site.rules.views()[0].instances[0].values
    assert values == ({} if read is None else {"t": read})


def test_a_value_that_cannot_be_read_makes_the_input_unknown(site, detector, look):
    event = {"name": "hot", "when": "t > 1.0", "do": [{"alert": {"message": "hot"}}]}
    site.apply(detector(states={"A": {"onInput": {"events": [event]}}}))
    assert look.chosen(site.fact("t-1", "t", 2)) == ["hot"]
    assert look.chosen(site.fact("t-1", "t", "broken")) == []
    assert site.rules.views()[0].faults == 1


def test_a_constant_key_joins_devices(site, detector, look):
    inputs = {
        "open": {"device": "door-1", "property": "open", "type": "boolean"},
        "cold": {"device": "reefer-1", "property": "temperature"},
    }
    event = {"name": "thaw", "when": "open && cold > -15.0", "do": [{"alert": {"message": "${key} thaws"}}]}
    site.apply(detector(key="cold-room", inputs=inputs, states={"A": {"onInput": {"events": [event]}}}))
    site.fact("door-1", "open", "true")
    assert look.told(site.fact("reefer-1", "temperature", -10)) == ["cold-room thaws"]
    site.fact("door-1", "open", "false")
    assert look.told(site.fact("reefer-1", "temperature", -10)) == []
    assert keys(site) == ["cold-room"]


def test_a_key_of_the_devices_name_pairs_devices(site, detector):
    inputs = {"a": {"device": "door-*", "property": "open"}, "b": {"device": "reefer-*", "property": "temperature"}}
    site.apply(detector(key='room-${part(device, "-", 1)}', inputs=inputs))
    for device, name in (("door-1", "open"), ("reefer-1", "temperature"), ("door-2", "open"), ("door-", "open")):
        site.fact(device, name, 1)
    site.fact("door", "open", 1)  # no number: no instance
    assert keys(site) == ["room-", "room-1", "room-2"]


def test_two_inputs_on_one_fact_are_two_evaluations(site, detector):
    inputs = {"a": {"device": "t-*", "property": "t"}, "b": {"device": "*", "property": "t"}}
    site.apply(detector(inputs=inputs))
    site.fact("t-1", "t", 1)
    assert site.rules.views()[0].evaluations == 2


def test_a_fact_that_concerns_no_rule_costs_under_two_microseconds(site, detector, fact):
    site.apply(*(detector(inputs={"t": {"device": f"t-{n}", "property": "t"}}) for n in range(1)))
    for stranger in (fact("default/x", "t", 1), fact("default/t-1", "other", 1)):
        handle, best = site.rules.handle, 1.0
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(2000):
                handle(stranger, 0)
            best = min(best, (time.perf_counter() - began) / 2000)
        assert best < 2e-6
