from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.iotevents import Options, convert, read
from twins.errors import Rejected


def capital(data: Any) -> Any:
    """The names as CloudFormation has them."""
    if isinstance(data, dict):
        return {name[0].upper() + name[1:]: capital(each) for name, each in data.items()}
    return [capital(each) for each in data] if isinstance(data, list) else data


def test_what_was_created_described_or_deployed_gives_the_same_rule(kiln: dict[str, Any]) -> None:
    about = {name: each for name, each in kiln.items() if name != "detectorModelDefinition"}
    about |= {"detectorModelVersion": "3", "status": "ACTIVE", "creationTime": 1.5, "detectorModelArn": "arn"}
    definition = {"detectorModelDefinition": kiln["detectorModelDefinition"]}
    described = {"detectorModel": definition | {"detectorModelConfiguration": about}}
    resources = {
        "Kiln": {"Type": "AWS::IoTEvents::DetectorModel", "Properties": capital(kiln)},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"Fn::Sub": "x"}},
    }
    forms = [kiln, described, described["detectorModel"], {"Resources": resources}]
    found = [read(json.dumps(form).encode(), "kiln.json") for form in forms]
    assert [len(models) for models in found] == [1] * 4
    first = convert(found[0][0][1], Options()).manifest
    assert all(convert(models[0][1], Options()).manifest == first for models in found)
    assert found[3][0][0] == "kiln.json: Resources.Kiln.Properties"


def test_a_model_without_a_name_is_called_as_its_file(kiln: dict[str, Any]) -> None:
    del kiln["detectorModelName"]
    ((_, model),) = read(json.dumps(kiln).encode(), "old/kiln.json")
    assert convert(model, Options(namespace="plant")).manifest["metadata"] == {"name": "kiln", "namespace": "plant"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "m.json: not JSON: "),
        (b"{", "m.json: not JSON: "),
        (b"\xff\xfe", "m.json: not JSON: "),
        (b"[]", "m.json: it has neither detectorModelDefinition nor alarmRule"),
        (b"{}", "m.json: it has neither detectorModelDefinition nor alarmRule"),
        (b'{"Resources": {}}', "m.json: Resources: there is neither AWS::IoTEvents::DetectorModel nor"),
        (b"[" * 100_000, "m.json: nested too deeply"),
        (b"[" * 200 + b"]" * 200, "m.json: nested more than 64 deep"),
        (b" " * 10_000_000, "m.json: 10000000 bytes; 1048576 are taken"),
        (
            b'{"Resources": {"A": {"Type": "AWS::IoTEvents::DetectorModel", "Properties": {"Key": {"Ref": "K"}}}}}',
            "m.json: Resources.A.Properties.Key: Ref is CloudFormation's to fill in",
        ),
        (
            b'{"Resources": {"A": {"Type": "AWS::IoTEvents::AlarmModel"}}}',
            "m.json: Resources.A.Properties: the whole: expected object, got null",
        ),
    ],
)
def test_what_is_no_model_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(text, "m.json")
    assert refused.value.reason.startswith(why)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("detectorModelDefinition",), 5, "detectorModelDefinition: expected object, got int"),
        (("evaluationMethod",), "FAST", "evaluationMethod: 'FAST' is not valid; valid: BATCH, SERIAL"),
        (("detectorModelDefinition", "states"), [{}] * 129, "detectorModelDefinition.states: expected array of length"),
        (("colour",), "red", "colour: no such key; valid:"),
        (("key",), "k" * 129, "key: expected str of length <= 128"),
        (("detectorModelDefinition", "states", 0, "stateName"), "", "detectorModelDefinition.states[0].stateName: exp"),
        (("detectorModelDefinition", "states", 0, "onInptu"), {}, "detectorModelDefinition.states[0].onInptu: no such"),
        (
            ("detectorModelDefinition", "states", 0, "onInput", "events", 0, "condition"),
            True,
            "detectorModelDefinition.states[0].onInput.events[0].condition: expected str | null, got bool",
        ),
        (
            ("detectorModelDefinition", "states", 1, "onEnter", "events", 0, "actions", 2, "setTimer"),
            {"timerName": "t", "seconds": 0},
            "detectorModelDefinition.states[1].onEnter.events[0].actions[2].setTimer.seconds: expected int >= 1",
        ),
    ],
)
def test_a_field_of_another_form_is_refused_with_its_path(
    kiln: dict[str, Any], path: tuple[Any, ...], value: object, why: str
) -> None:
    place: Any = kiln
    for token in path[:-1]:
        place = place[token]
    place[path[-1]] = value
    with pytest.raises(Rejected) as refused:
        read(json.dumps(kiln).encode(), "m.json")
    assert refused.value.reason.startswith(f"m.json: {why}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Resources", "Type", "Properties", "detectorModel", "alarmRule", "detectorModelDefinition"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_no_json_makes_the_reader_fail_otherwise(data: object) -> None:
    with pytest.raises(Rejected):
        read(json.dumps(data).encode(), "m.json")
