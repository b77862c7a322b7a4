"""Manifests as mappers get them, field by field; ids are those of KubeEdge's cases."""

from __future__ import annotations

from typing import Any

import pytest

from devices.dmi.convert import device_message, likeness, model_message
from devices.dmi.packing import Packing
from devices.dmi.wire import dmi_pb2 as pb
from twins.errors import Rejected
from twins.manifests import Device, DeviceModel
from twins.schema import decode

TYPE = "type.googleapis.com/google.protobuf."


def device(**spec: Any) -> Device:
    return decode({"kind": "Device", "metadata": {"name": "d1"}, "spec": spec}, Device, "test")


def model(**spec: Any) -> DeviceModel:
    return decode({"kind": "DeviceModel", "metadata": {"name": "m1"}, "spec": spec}, DeviceModel, "test")


def sent(
    manifest: Device,
    of: DeviceModel | None = None,
    *,
    strict: bool = False,
    warned: list[str] | None = None,
    **desired: str,
) -> pb.Device:
    warnings: list[str] = [] if warned is None else warned
    return device_message(manifest, of, desired, Packing(warnings.append, strict=strict))


def config(value: Any, *, strict: bool = False, warned: list[str] | None = None) -> Any:
    """One setting of a protocol as it is sent."""
    message = sent(device(protocol={"protocolName": "p", "configData": {"key": value}}), strict=strict, warned=warned)
    return message.spec.protocol.configData.data["key"]


SCALARS: dict[str, tuple[Any, str, Any]] = {
    "WIR-05 text": ("COM1", "StringValue", "COM1"),
    "WIR-05 true": (True, "BoolValue", True),
    "WIR-05 false": (False, "BoolValue", False),
    "DMI-17 integer": (9600, "Int64Value", 9600),
    "DMI-17 large": (-(2**63), "Int64Value", -(2**63)),
    "DMI-17 float": (0.5, "FloatValue", 0.5),
}


@pytest.mark.parametrize("case", SCALARS)
def test_a_setting_is_wrapped_by_its_type(case: str) -> None:
    from google.protobuf import wrappers_pb2

    value, wrapper, meant = SCALARS[case]
    packed = config(value)
    assert packed.type_url == TYPE + wrapper
    unpacked = getattr(wrappers_pb2, wrapper)()
    assert packed.Unpack(unpacked)
    assert unpacked.value == meant


def test_dmi_17_strict_sends_whole_numbers_as_floats() -> None:
    assert config(9600, strict=True).type_url == TYPE + "FloatValue"


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": [1, 2]}, '{"a": [1, 2]}'), ([1, "ü"], '[1, "ü"]'), (2**80, str(2**80)), (1e300, "1e+300")],
)
def test_dmi_18_what_has_no_wrapper_goes_as_json_and_a_person_is_told(value: Any, text: str) -> None:
    from google.protobuf.wrappers_pb2 import StringValue

    warned: list[str] = []
    unpacked = StringValue()
    assert config(value, warned=warned).Unpack(unpacked)
    assert unpacked.value == text
    assert warned == [
        "spec.protocol.configData.key: mappers know text, booleans and numbers of 64 bits: they get this as JSON text"
    ]


def test_dmi_18_strict_refuses_the_device() -> None:
    with pytest.raises(Rejected, match=r"spec\.protocol\.configData\.key: mappers know no collections"):
        config([1], strict=True)


def test_a_setting_that_is_null_is_left_out() -> None:
    message = sent(device(protocol={"protocolName": "p", "configData": {"key": None, "other": 1}}))
    assert set(message.spec.protocol.configData.data) == {"other"}


@pytest.mark.parametrize("strict", [False, True])
def test_a_property_has_all_that_the_mapper_framework_reads_unchecked(strict: bool) -> None:
    base = model(properties=[{"name": "bare"}, {"name": "of-the-model"}])
    message = sent(device(properties=[{"name": "bare"}]), base, strict=strict, **{"of-the-model": "1"})
    assert [p.name for p in message.spec.properties] == ["bare", "of-the-model"]
    for prop in message.spec.properties:
        assert prop.HasField("desired")
        assert prop.HasField("visitors")
        assert prop.visitors.HasField("configData")


def test_a_property_that_the_model_does_not_have_is_left_out_and_a_person_is_told() -> None:
    warned: list[str] = []
    manifest = device(properties=[{"name": "t"}, {"name": "ghost"}])
    message = sent(manifest, model(properties=[{"name": "t"}]), warned=warned, lost="1")
    assert [p.name for p in message.spec.properties] == ["t"]
    assert warned == [
        "ghost: its mapper is not told of it, as the model m1 has no such property",
        "lost: its mapper is not told of it, as the model m1 has no such property",
    ]


def test_strict_sends_what_the_model_does_not_have() -> None:
    message = sent(device(properties=[{"name": "ghost"}]), model(properties=[{"name": "t"}]), strict=True)
    assert [p.name for p in message.spec.properties] == ["ghost"]


def test_settings_of_the_model_hold_for_a_property_of_the_model_alone() -> None:
    visitors = {"protocolName": "modbus", "configData": {"offset": 9}}
    message = sent(device(), model(properties=[{"name": "t", "visitors": visitors}]), t="5")
    (prop,) = message.spec.properties
    assert (prop.desired.value, prop.visitors.protocolName) == ("5", "modbus")
    assert set(prop.visitors.configData.data) == {"offset"}


def test_dmi_19_settings_of_the_model_stand_below_those_of_the_instance() -> None:
    from google.protobuf.wrappers_pb2 import Int64Value

    base = model(
        protocol="modbus",
        protocolConfigData={"slaveID": 1, "baudRate": 9600},
        properties=[
            {"name": "t", "visitors": {"protocolName": "modbus", "configData": {"offset": 1, "limit": 1}}},
            {"name": "only-model", "visitors": {"protocolName": "modbus", "configData": {"offset": 9}}},
        ],
    )
    own = device(
        protocol={"protocolName": "modbus", "configData": {"slaveID": 7}},
        properties=[{"name": "t", "visitors": {"protocolName": "other", "configData": {"limit": 2}}}],
    )
    message = sent(own, base)

    def numbers(data: Any) -> dict[str, int]:
        found = {}
        for key, packed in data.items():
            number = Int64Value()
            assert packed.Unpack(number)
            found[key] = number.value
        return found

    (prop,) = message.spec.properties
    assert prop.visitors.protocolName == "modbus"
    assert numbers(prop.visitors.configData.data) == {"offset": 1, "limit": 2}
    assert numbers(message.spec.protocol.configData.data) == {"slaveID": 7, "baudRate": 9600}


def test_what_is_desired_now_stands_in_the_place_of_what_the_manifest_desires() -> None:
    manifest = device(
        properties=[
            {"name": "a", "desired": {"value": "1", "metadata": {"type": "int"}}},
            {"name": "b", "desired": {"value": "2"}},
        ]
    )
    message = sent(manifest, a="5", c="7")
    found = {p.name: p for p in message.spec.properties}
    assert (found["a"].desired.value, dict(found["a"].desired.metadata)) == ("5", {"type": "int"})
    assert found["b"].desired.value == ""
    assert found["c"].desired.value == "7"  # of the model alone, and asked for all the same


PUSH: dict[str, tuple[dict[str, Any], Any]] = {
    "WIR-06 http": (
        {"http": {"hostName": "http://h", "port": 8080, "requestPath": "/r", "timeout": 9}},
        pb.PushMethod(http=pb.PushMethodHTTP(hostname="http://h", port=8080, requestpath="/r", timeout=9)),
    ),
    "WIR-06 TDEngine": (
        {"dbMethod": {"TDEngine": {"TDEngineClientConfig": {"addr": "a", "dbName": "n"}}}},
        pb.PushMethod(
            dbMethod=pb.DBMethod(
                tdengine=pb.DBMethodTDEngine(tdEngineClientConfig=pb.TDEngineClientConfig(addr="a", dbname="n"))
            )
        ),
    ),
    "mqtt": (
        {"mqtt": {"address": "tcp://b:1883", "topic": "t", "qos": 1, "retained": True}},
        pb.PushMethod(mqtt=pb.PushMethodMQTT(address="tcp://b:1883", topic="t", qos=1, retained=True)),
    ),
    "WIR-02 otel": (
        {"otel": {"endpointURL": "http://o"}},
        pb.PushMethod(otel=pb.PushMethodOTEL(endpointURL="http://o")),
    ),
    "influxdb2": (
        {
            "dbMethod": {
                "influxdb2": {
                    "influxdb2ClientConfig": {"url": "u", "org": "o", "bucket": "b"},
                    "influxdb2DataConfig": {"measurement": "m", "tag": {"k": "v"}, "fieldKey": "f"},
                }
            }
        },
        pb.PushMethod(
            dbMethod=pb.DBMethod(
                influxdb2=pb.DBMethodInfluxdb2(
                    influxdb2ClientConfig=pb.Influxdb2ClientConfig(url="u", org="o", bucket="b"),
                    influxdb2DataConfig=pb.Influxdb2DataConfig(measurement="m", tag={"k": "v"}, fieldKey="f"),
                )
            )
        ),
    ),
    "redis": (
        {"dbMethod": {"redis": {"redisClientConfig": {"addr": "a", "db": 1, "poolsize": 2, "minIdleConns": 3}}}},
        pb.PushMethod(
            dbMethod=pb.DBMethod(
                redis=pb.DBMethodRedis(
                    redisClientConfig=pb.RedisClientConfig(addr="a", db=1, poolsize=2, minIdleConns=3)
                )
            )
        ),
    ),
    "mysql": (
        {"dbMethod": {"mysql": {"mysqlClientConfig": {"addr": "a", "database": "d", "userName": "u"}}}},
        pb.PushMethod(
            dbMethod=pb.DBMethod(
                mysql=pb.DBMethodMySQL(mysqlClientConfig=pb.MySQLClientConfig(addr="a", database="d", userName="u"))
            )
        ),
    ),
}


@pytest.mark.parametrize("case", PUSH)
def test_a_push_method_arrives_under_the_names_of_the_wire(case: str) -> None:
    written, meant = PUSH[case]
    (prop,) = sent(device(properties=[{"name": "p", "pushMethod": written}])).spec.properties
    assert prop.pushMethod == meant


def test_the_settings_of_anomaly_detection_are_free() -> None:
    written = {"anomalyDetection": {"method": "spc", "window": 20}}
    (prop,) = sent(device(properties=[{"name": "p", "pushMethod": written}])).spec.properties
    assert set(prop.pushMethod.anomalyDetection.data) == {"method", "window"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"http": {"port": "eighty"}}, r"spec\.properties\[0\]\.pushMethod\.http\.port: expected int, got str"),
        ({"http": "x"}, r"pushMethod\.http: expected object"),
        ({"mqtt": {"qos": 2**40}}, r"mqtt\.qos"),
        ({"dbMethod": {"influxdb2": {"influxdb2DataConfig": {"tag": {"a": 1}}}}}, r"tag"),
        ({"anomalyDetection": [1]}, r"anomalyDetection"),
    ],
)
def test_a_push_method_that_makes_no_sense_is_refused_with_its_path(written: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        sent(device(properties=[{"name": "p", "pushMethod": written}]))


def test_cycles_methods_and_the_report_of_states_are_sent() -> None:
    message = sent(
        device(
            properties=[{"name": "p", "collectCycle": 500, "reportCycle": 1000, "reportToCloud": True}],
            methods=[{"name": "set", "description": "sets", "propertyNames": ["p"]}],
            stateReport={"reportToCloud": True, "reportCycle": 2000},
        )
    )
    (prop,) = message.spec.properties
    assert (prop.collectCycle, prop.reportCycle, prop.reportToCloud) == (500, 1000, True)
    assert message.spec.methods[0] == pb.DeviceMethod(name="set", description="sets", propertyNames=["p"])
    assert (message.status.reportToCloud, message.status.reportCycle) == (True, 2000)


def test_a_model_is_sent_with_all_a_property_has() -> None:
    message = model_message(
        model(
            properties=[
                {
                    "name": "t",
                    "description": "heat",
                    "type": "FLOAT",
                    "accessMode": "ReadOnly",
                    "minimum": "-10",
                    "maximum": "90",
                    "unit": "°C",
                }
            ]
        ),
        Packing(lambda text: None),
    )
    assert (message.name, message.namespace) == ("m1", "default")
    assert message.spec.properties[0] == pb.ModelProperty(
        name="t", description="heat", type="FLOAT", accessMode="ReadOnly", minimum="-10", maximum="90", unit="°C"
    )


def test_dmi_13_the_order_of_properties_and_methods_makes_no_difference() -> None:
    properties = [{"name": "a", "desired": {"value": "1"}}, {"name": "b"}]
    methods = [{"name": "x", "propertyNames": ["a", "b"]}, {"name": "y"}]
    one = sent(device(properties=properties, methods=methods))
    turned = [{"name": "y"}, {"name": "x", "propertyNames": ["b", "a"]}]
    assert likeness(one) == likeness(sent(device(properties=properties[::-1], methods=turned)))
    assert likeness(one) != likeness(sent(device(properties=properties, methods=methods), a="2"))


NUMBERS = [
    ("WIR-02", "PushMethod", "dbMethod", 3),
    ("WIR-02", "PushMethod", "otel", 4),
    ("WIR-03", "MapperInfo", "address", 5),
    ("WIR-04", "DeviceSpec", "methods", 4),
    ("WIR-04", "DeviceMethod", "propertyNames", 3),
    ("WIR-01", "Device", "namespace", 4),
    ("WIR-01", "ReportDeviceStatusRequest", "deviceNamespace", 3),
]


@pytest.mark.parametrize(("case", "message", "field", "number"), NUMBERS)
def test_fields_have_kubeedges_numbers(case: str, message: str, field: str, number: int) -> None:
    descriptor = getattr(pb, message).DESCRIPTOR
    assert descriptor.full_name == f"v1beta1.{message}", case
    assert descriptor.fields_by_name[field].number == number


def test_wir_03_the_address_is_bytes_that_hold_a_path() -> None:
    assert pb.MapperInfo(address="/run/ü.sock".encode()).SerializeToString() == b"\x2a\x0c/run/\xc3\xbc.sock"


def test_wir_04_methods_are_field_four_and_names_a_repeated_string() -> None:
    spec = pb.DeviceSpec(methods=[pb.DeviceMethod(name="m", propertyNames=["a", "b"])])
    assert spec.SerializeToString() == b"\x22\x09\x0a\x01m\x1a\x01a\x1a\x01b"
