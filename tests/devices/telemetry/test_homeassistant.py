from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry import homeassistant as ha
from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from twins.errors import Rejected
from twins.manifests import Device, DeviceModel, declared
from twins.schema import decode
from twins.stimuli import Seen, Updated

NOW = 1_795_255_200_000_000
HALL = {"identifiers": ["zigbee2mqtt_0x00158d"], "name": "Hall"}


def told(config: object, topic: str = "homeassistant/sensor/0x00158d/temperature/config") -> ha.Entity:
    found = ha.entity(topic, "homeassistant", json.dumps(config).encode())
    assert isinstance(found, ha.Entity)
    return found


def test_an_entity_becomes_a_device_a_model_and_a_mapping() -> None:
    one = told(
        {
            "state_topic": "zigbee2mqtt/Hall",
            "value_template": "{{ value_json.temperature }}",
            "unit_of_measurement": "°C",
            "device": HALL,
        }
    )
    model = decode(ha.with_model(None, one, "default"), DeviceModel, "model")
    device = decode(ha.with_device(one, "default"), Device, "device")
    (name, said) = next(iter(declared(device, model).items()))
    assert (device.id, name) == ("default/zigbee2mqtt-0x00158d", "temperature")
    assert (said.kind, said.writable, said.unit) == ("double", False, "°C")
    mapping = decode(ha.with_mapping(None, one, "default"), Mapping, "mapping")
    mappings = Mappings()
    mappings.apply(mapping.id, mapping)
    (update,) = mappings.read("zigbee2mqtt/Hall", b'{"temperature": 21.4, "battery": 90}', "c", NOW)
    assert isinstance(update, Updated)
    assert update.device == device.id
    edit = update.edits["temperature"]
    assert edit is not None
    assert edit.reported == "21.4"


def test_entities_of_one_topic_share_a_mapping_and_one_that_goes_leaves_the_others() -> None:
    first = told({"state_topic": "z/Hall", "value_template": "{{ value_json.t }}", "device": HALL})
    second = told(
        {"state_topic": "z/Hall", "value_template": "{{ value_json.h | round(1) }}", "device": HALL},
        "homeassistant/sensor/0x00158d/humidity/config",
    )
    both = ha.with_mapping(ha.with_mapping(None, first, "default"), second, "default")
    assert [p["name"] for p in both["spec"]["properties"]] == ["temperature", "humidity"]
    assert ha.with_mapping(both, second, "default") == both
    model = ha.with_model(ha.with_model(None, first, "default"), second, "default")
    assert [p["name"] for p in model["spec"]["properties"]] == ["temperature", "humidity"]
    left = ha.without(both, first.id)
    assert left is not None
    assert [p["name"] for p in left["spec"]["properties"]] == ["humidity"]
    assert ha.without(left, second.id) is None


def test_a_switch_can_be_commanded_in_its_own_words() -> None:
    one = told(
        {
            "~": "shed/relay",
            "stat_t": "~/state",
            "cmd_t": "~/set",
            "pl_on": "AN",
            "pl_off": "AUS",
            "avty": [{"t": "~/link", "pl_avail": "up", "pl_not_avail": "down"}],
            "dev": {"ids": "relay-7"},
        },
        "homeassistant/switch/relay/config",
    )
    assert (one.device, one.type) == ("relay-7", "BOOLEAN")
    assert (one.topic, one.command) == ("shed/relay/state", "shed/relay/set")
    mapping, state = (
        decode(ha.with_mapping(None, one, "hall"), Mapping, "m"),
        decode(ha.with_state(None, one, "hall"), Mapping, "m"),
    )
    mappings = Mappings()
    for each in (mapping, state):
        mappings.apply(each.id, each)
    (update,) = mappings.read("shed/relay/state", b"AN", "c", NOW)
    assert isinstance(update, Updated)
    assert {n: e.reported for n, e in update.edits.items() if e} == {"relay": "true"}
    (seen,) = mappings.read("shed/relay/link", b"down", "c", NOW)
    assert isinstance(seen, Seen)
    assert (seen.device, seen.state) == ("hall/relay-7", "offline")
    assert mappings.commands("hall/relay-7", {"relay": "false"}) == [("shed/relay/set", b"AUS")]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("", "$"),
        ("{{ value }}", "$"),
        ("{{value_json.a}}", "$.a"),
        ("{{ value_json.a.b }}", "$.a.b"),
        ("{{ value_json['a b'] }}", "$['a b']"),
        ('{{ value_json["a"][0].b }}', '$["a"][0].b'),
        ("{{- value_json.a -}}", "$.a"),
        ("{{ value_json.a | float }}", "$.a"),
        ("{{ value_json.a | float(0) | round(2) }}", "$.a"),
        ("{{ value_json }}", "$"),
    ],
)
def test_a_template_that_leads_to_a_value_is_a_path(template: str, path: str) -> None:
    assert told({"state_topic": "x", "value_template": template}).path == path


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "it has no state_topic"),
        ({"state_topic": 5}, "state_topic is 5: text is meant"),
        ({"state_topic": "a/#"}, "is no topic of a device"),
        ({"state_topic": "$SYS/x"}, "is no topic of a device"),
        ({"state_topic": "a/{device}"}, "is no topic of a device"),
        ({"state_topic": "x", "value_template": "{% if value %}1{% endif %}"}, "does more than lead to a value"),
        ({"state_topic": "x", "value_template": "{{ value_json.a * 2 }}"}, "does more than lead|is no path"),
        ({"state_topic": "x", "value_template": "{{ value_json.a | regex_replace('a') }}"}, "does more than lead"),
        ({"state_topic": "x", "value_template": "{{ value_json.a if value else 1 }}"}, "does more than lead"),
        ({"state_topic": "x", "value_template": "{{ states('x') }}"}, "does more than lead"),
        ({"state_topic": "x", "device": {"identifiers": ["___"]}}, "has no letter or digit"),
        ([1], "no JSON object"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_reason(config: object, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        told(config)


def test_other_components_are_refused_and_an_empty_body_means_gone() -> None:
    with pytest.raises(Rejected, match="a climate is none of binary_sensor"):
        told({"state_topic": "x"}, "homeassistant/climate/x/config")
    assert ha.entity("homeassistant/sensor/a/b/config", "homeassistant", b"") == "sensor/a/b"


@pytest.mark.parametrize("prefix", ["", "$hw", "a/+", "#", "gemelo", "a//b", "{x}"])
def test_a_prefix_that_cannot_be_meant_is_refused(prefix: str) -> None:
    with pytest.raises(Rejected, match=r"d: spec\.prefix: .*is no beginning of topics of others"):
        decode({"metadata": {"name": "d"}, "spec": {"prefix": prefix}}, ha.Discovery, "d")


said = ["state_topic", "stat_t", "value_template", "device", "~", "avty", "cmd_t", "pl_on", "unit_of_meas"]
samples = ["x", "~/x", "x/~", "{{ value_json.a }}", "{{ value_json }}", "+", "°C", ""]
keys = st.sampled_from(said)
texts = st.sampled_from(samples) | st.text(max_size=6)
inner = st.sampled_from(["ids", "identifiers", "name", "t", "topic"])
values: st.SearchStrategy[Any] = texts | st.none() | st.integers() | st.lists(texts, max_size=2)
values |= st.dictionaries(inner, texts | st.lists(texts, max_size=2))


@given(
    st.dictionaries(keys, values, max_size=7).map(lambda c: json.dumps(c).encode()) | st.binary(max_size=40),
    st.sampled_from(["sensor", "switch", "number", "binary_sensor", "light"]),
)
def test_any_message_is_refused_or_becomes_manifests_that_can_be_applied(payload: bytes, component: str) -> None:
    try:
        one = ha.entity(f"homeassistant/{component}/a/b/config", "homeassistant", payload)
    except Rejected:
        return
    if isinstance(one, str):
        return
    decode(ha.with_model(None, one, "default"), DeviceModel, "model")
    decode(ha.with_device(one, "default"), Device, "device")
    try:
        known = ha.with_mapping(None, one, "default")
        decode(known, Mapping, "mapping")
        if one.availability is not None:
            decode(ha.with_state(None, one, "default"), Mapping, "mapping")
    except Rejected as error:
        assert "topic" in error.reason  # noqa: PT017 - a topic that no mapping may hear
