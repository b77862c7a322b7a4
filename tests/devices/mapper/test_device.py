from __future__ import annotations

import logging

import pytest

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper import wire
from devices.mapper.device import Device, Property, seconds, wanted
from tests.devices.mapper import manager
from tests.devices.mapper.bench import MODEL, document
from twins.values import Declared


@pytest.mark.parametrize(
    ("cycle", "expected"),
    [(0, 1.0), (-5, 1.0), (500, 0.5), (1, 0.01), (9_999_999, 9999.999), (10**7, 0.01), (10**10, 10.0)],
)
def test_map_09_cycles_are_milliseconds_and_huge_ones_nanoseconds(cycle: int, expected: float) -> None:
    assert seconds(cycle) == expected


def test_map_09_a_cycle_that_is_probably_nanoseconds_is_flagged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = wire.device_of(document(temp={"collectCycle": 10**10}), MODEL)
    assert found.properties["temp"].cycle == 10.0
    assert "probably meant in nanoseconds" in caplog.text


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("FloatValue", 9600.0, 9600),
        ("FloatValue", 0.1, 0.1),
        ("FloatValue", 1.5e-7, 1.5e-7),
        ("FloatValue", 16777217.0, 16777216),
        ("DoubleValue", 0.1, 0.1),
        ("Int32Value", -3, -3),
        ("Int64Value", 2**40, 2**40),
        ("BoolValue", True, True),
        ("StringValue", "10.0.0.5", "10.0.0.5"),
    ],
)
def test_dmi_17_every_kind_of_value_is_taken(kind: str, value: object, expected: object) -> None:
    packed = manager.Packed()
    packed.Pack(getattr(manager.wrappers_pb2, kind)(value=value))
    found = wire.scalar(packed)
    assert found == expected
    assert type(found) is type(expected)


def test_dmi_18_a_value_that_is_no_scalar_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    packed = manager.Packed()
    packed.Pack(pb.TwinProperty(value="x"))
    torn = manager.Packed(type_url="type.googleapis.com/google.protobuf.StringValue", value=b"\xff")
    data = manager.packed({"port": 502})
    data.data["map"].CopyFrom(packed)
    data.data["torn"].CopyFrom(torn)
    with caplog.at_level(logging.WARNING):
        assert wire.values_of(data, "d1") == {"port": 502}
    assert "map holds type.googleapis.com/v1beta1.TwinProperty" in caplog.text


def test_a_device_is_merged_with_its_model() -> None:
    found = wire.device_of(document(temp={}, level={"desired": {"value": "5"}}), MODEL)
    assert found.id == "default/d1"
    assert found.properties["temp"].declared == Declared(kind="int", writable=False)
    assert found.properties["level"].declared == Declared("int", True, "5", 0.0, 100.0)
    assert found.methods[0].properties == ("level",)


def test_a_device_whose_model_is_not_known_has_properties_of_text() -> None:
    found = wire.device_of(document(temp={}), None)
    assert found.properties["temp"].declared == Declared()


def test_a_push_method_is_told_to_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    given = document(temp={})
    given.spec.properties[0].pushMethod.mqtt.topic = "t"
    with caplog.at_level(logging.WARNING):
        wire.device_of(given, MODEL)
    assert "pushMethod is not carried out by this mapper: temp" in caplog.text


def test_a_state_report_is_a_cycle_only_when_it_is_asked_for() -> None:
    given = document(temp={})
    assert wire.device_of(given, MODEL).state_cycle is None
    given.status.reportToCloud = True
    assert wire.device_of(given, MODEL).state_cycle == 1.0


def test_a_bound_that_is_no_number_is_told_and_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    model = pb.DeviceModel(spec=pb.DeviceModelSpec(properties=[pb.ModelProperty(name="temp", type="INT", minimum="x")]))
    with caplog.at_level(logging.WARNING):
        assert wire.device_of(document(temp={}), model).properties["temp"].declared.minimum is None
    assert "is no number" in caplog.text


def _device(**desired: str | None) -> Device:
    return Device("default", "d1", properties={n: Property(n, Declared(desired=d)) for n, d in desired.items()})


def test_map_10_only_what_changed_is_wanted() -> None:
    old, new = _device(a="1", b="2", c=None), _device(a="1", b="3", c="4", d="5")
    assert wanted(None, old) == {"a": "1", "b": "2"}
    assert wanted(old, new) == {"b": "3", "c": "4", "d": "5"}
    assert wanted(new, _device(a=None)) == {}
