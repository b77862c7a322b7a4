"""Bad manifests, each with the very words that refuse it; and good ones as others write them."""

from __future__ import annotations

from typing import Any

import pytest

from twins.errors import Rejected
from twins.manifests import API, Device, DeviceModel, declared, owned, read_device, read_model
from twins.manifests.validation import device_faults, model_faults, withheld

PROPERTIES: list[dict[str, Any]] = [
    {"name": "temperature", "type": "INT", "minimum": "-20", "maximum": "50", "unit": "°C"},
    {"name": "level", "type": "DOUBLE", "minimum": "0.5"},
    {"name": "serial", "type": "STRING", "accessMode": "ReadOnly"},
    {"name": "on", "type": "BOOLEAN"},
    {"name": "blob", "type": "BYTES"},
    {"name": "gain", "type": "FLOAT", "maximum": "2"},
]


def model(*properties: dict[str, Any], name: str = "thermometer") -> dict[str, Any]:
    spec = {"properties": list(properties or PROPERTIES)}
    return {"apiVersion": API, "kind": "DeviceModel", "metadata": {"name": name}, "spec": spec}


def device(*properties: dict[str, Any], **spec: Any) -> dict[str, Any]:
    whole = {"deviceModelRef": {"name": "thermometer"}, "properties": list(properties)} | spec
    return {"apiVersion": API, "kind": "Device", "metadata": {"name": "t1"}, "spec": whole}


def wants(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "desired": {"value": value}}


def refused(data: dict[str, Any]) -> str:
    """Why a manifest is refused, by its form or by its model."""
    try:
        if data["kind"] == "DeviceModel":
            faults = model_faults(read_model(data, "file.yaml"))
        else:
            faults = device_faults(read_device(data, "file.yaml"), read_model(model(), "model.yaml"))
        return f"file.yaml: {next(faults)}"
    except Rejected as error:
        return error.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # values that the model does not allow
        (
            device(wants("on", "true"), wants("level", "1"), wants("temperature", "99")),
            'spec.properties[2].desired.value: "99" is above the maximum 50 of model thermometer',
        ),
        (
            device(wants("temperature", "-21")),
            'spec.properties[0].desired.value: "-21" is below the minimum -20 of model thermometer',
        ),
        (
            device(wants("level", "0.4")),
            'spec.properties[0].desired.value: "0.4" is below the minimum 0.5 of model thermometer',
        ),
        (
            device(wants("gain", "2.5")),
            'spec.properties[0].desired.value: "2.5" is above the maximum 2 of model thermometer',
        ),
        (
            device(wants("temperature", "1.5")),
            'spec.properties[0].desired.value: "1.5" is no INT (a whole number of 64 bits), as model thermometer '
            "wants it",
        ),
        (
            device(wants("temperature", str(2**63))),
            f'spec.properties[0].desired.value: "{2**63}" is no INT (a whole number of 64 bits), as model thermometer '
            "wants it",
        ),
        (
            device(wants("level", "NaN")),
            'spec.properties[0].desired.value: "NaN" is no DOUBLE (a finite number), as model thermometer wants it',
        ),
        (
            device(wants("gain", "1e999")),
            'spec.properties[0].desired.value: "1e999" is no FLOAT (a finite number), as model thermometer wants it',
        ),
        (
            device(wants("on", "yes")),
            'spec.properties[0].desired.value: "yes" is no BOOLEAN (true or false), as model thermometer wants it',
        ),
        (
            device(wants("serial", "A1")),
            "spec.properties[0].desired: serial is ReadOnly in model thermometer: nothing can be desired of it",
        ),
        (
            device(wants("blob", "x" * 9000)),
            "spec.properties[0].desired.value: 9000 characters are more than the 8192 allowed",
        ),
        # names
        (
            device(wants("temprature", "1")),
            'spec.properties[0].name: model thermometer has no property "temprature"; did you mean temperature?',
        ),
        (
            device(methods=[{"name": "cool", "propertyNames": ["on", "tmperature"]}]),
            'spec.methods[0].propertyNames[1]: model thermometer has no property "tmperature"; '
            "did you mean temperature?",
        ),
        (
            device({"name": "on"}, {"name": "level"}, {"name": "on"}),
            'spec.properties[2].name: "on" is the name of spec.properties[0] too; keep one of them',
        ),
        (
            device(methods=[{"name": "m"}, {"name": "m"}]),
            'spec.methods[1].name: "m" is the name of spec.methods[0] too; keep one of them',
        ),
        (device({"name": ""}), "spec.properties[0].name: is empty"),
        (
            device({"name": "on", "collectCycle": -1}),
            "spec.properties[0].collectCycle: -1 is negative; cycles are milliseconds",
        ),
        # form
        (
            device({"name": "on", "colectCycle": 1}),
            "spec.properties[0].colectCycle: no such key; did you mean collectCycle?",
        ),
        (
            device(wants("temperature", 20)),
            'spec.properties[0].desired.value: expected str, got int; put it in quotes: "20"',
        ),
        (
            device(wants("on", True)),
            'spec.properties[0].desired.value: expected str, got bool; put it in quotes: "true"',
        ),
        (device({"name": "on", "desired": {"vlue": "true"}}), "spec.properties[0].desired.vlue: no such key; did you "),
        (device({"name": "on", "desired": {}}), "spec.properties[0].desired.value: missing"),
        (device({"name": "on", "pushMethod": {"htp": {}}}), "pushMethod.htp: no such key; did you mean http?"),
        (
            device({"name": "on", "pushMethod": {"dbMethod": {"TDengine": {}}}}),
            "spec.properties[0].pushMethod.dbMethod.TDengine: no such key; did you mean TDEngine?",
        ),
        (
            device({"name": "on", "pushMethod": {"mqtt": {"qos": "1"}}}),
            "spec.properties[0].pushMethod.mqtt.qos: expected int, got str",
        ),
        (device(deviceModelRef="thermometer"), "spec.deviceModelRef: expected object | null, got str"),
        (
            device(stateReport={"reportCycel": 1}),
            "spec.stateReport.reportCycel: no such key; did you mean reportCycle?",
        ),
        (device() | {"sepc": {}}, "sepc: no such key; did you mean spec?"),
        (device() | {"metadata": {"name": "x", "lables": {}}}, "metadata.lables: no such key; did you mean labels?"),
        (device() | {"metadata": {}}, "metadata.name: missing"),
        (
            device() | {"apiVersion": "devices.kubeedge.io/v1beta2"},
            "apiVersion: 'devices.kubeedge.io/v1beta2' is not valid; did you mean devices.kubeedge.io/v1beta1?",
        ),
        (
            device() | {"apiVersion": "devices.kubeedge.io/v1alpha2"},
            "apiVersion: devices.kubeedge.io/v1alpha2 is KubeEdge's older form; write it as "
            "devices.kubeedge.io/v1beta1: spec.protocol.{modbus,opcua,…} became spec.protocol.{protocolName, "
            "configData}, spec.propertyVisitors[] became spec.properties[].visitors, status.twins[].desired became "
            "spec.properties[].desired, spec.nodeSelector became spec.nodeName, and spec.data is gone",
        ),
        # models
        (
            model() | {"apiVersion": "devices.kubeedge.io/v1alpha2"},
            "apiVersion: devices.kubeedge.io/v1alpha2 is KubeEdge's older form; write it as",
        ),
        (model({"name": "a", "type": "INTEGER"}), "spec.properties[0].type: 'INTEGER' is not valid; did you mean INT?"),
        (
            model({"name": "a", "accessMode": "readOnly"}),
            "spec.properties[0].accessMode: 'readOnly' is not valid; did you mean ReadOnly?",
        ),
        (
            model({"name": "a", "type": "INT", "minimum": "60", "maximum": "50"}),
            'spec.properties[0].minimum: "60" is above the maximum "50"',
        ),
        (
            model({"name": "a", "type": "INT", "minimum": "ten"}),
            'spec.properties[0].minimum: "ten" is no number',
        ),
        (
            model({"name": "a", "type": "DOUBLE", "maximum": "inf"}),
            'spec.properties[0].maximum: "inf" is no number',
        ),
        (
            model({"name": "a", "type": "STRING", "minimum": "1"}),
            "spec.properties[0].minimum: a is a STRING, and only INT, FLOAT and DOUBLE have bounds",
        ),
        (
            model({"name": "a", "type": "INT", "minimum": 1}),
            'spec.properties[0].minimum: expected str, got int; put it in quotes: "1"',
        ),
        (model({"name": "a"}, {"name": "a"}), 'spec.properties[1].name: "a" is the name of spec.properties[0] too'),
        (model({"name": "a", "unti": "C"}), "spec.properties[0].unti: no such key; did you mean unit?"),
    ],
)
def test_a_bad_manifest_is_refused_with_the_path_the_reason_and_the_nearest_name(data: Any, words: str) -> None:
    reason = refused(data)
    assert reason.startswith("file.yaml: ")
    assert words in reason


EVERYTHING: dict[str, Any] = {
    "status": {"reportToCloud": True, "reportCycle": 1000},
    "kind": "Device",
    "spec": {
        "stateReport": {"reportToCloud": True, "reportCycle": 60000},
        "methods": [{"name": "cool", "description": "make it cold", "propertyNames": ["on", "temperature"]}],
        "properties": [
            {
                "pushMethod": {
                    "http": {"hostName": "http://h", "port": 80, "requestPath": "/v", "timeout": 10},
                    "mqtt": {"address": "tcp://127.0.0.1:1883", "topic": "a/b", "qos": 1, "retained": True},
                    "otel": {"endpointURL": "http://127.0.0.1:4318"},
                    "dbMethod": {
                        "influxdb2": {
                            "influxdb2ClientConfig": {"url": "http://i", "org": "o", "bucket": "b"},
                            "influxdb2DataConfig": {"measurement": "m", "tag": {"k": "v"}, "fieldKey": "f"},
                        },
                        "redis": {"redisClientConfig": {"addr": "r:6379", "db": 1, "poolsize": 5, "minIdleConns": 1}},
                        "TDEngine": {"TDEngineClientConfig": {"addr": "t:6041", "dbName": "d"}},
                        "mysql": {"mysqlClientConfig": {"addr": "m:3306", "database": "d", "userName": "u"}},
                    },
                    "anomalyDetection": {"any": [1, {"thing": None}]},
                },
                "reportToCloud": True,
                "reportCycle": 10000,
                "collectCycle": 5000,
                "visitors": {"protocolName": "modbus", "configData": {"register": "HoldingRegister", "offset": 2}},
                "desired": {"value": "20", "metadata": {"type": "int", "timestamp": "1"}},
                "name": "temperature",
            },
            {"name": "serial", "desired": {"value": ""}, "visitors": {}},
        ],
        "protocol": {"protocolName": "modbus", "configData": {"slaveID": 1}},
        "nodeName": "edge-1",
        "deviceModelRef": {"name": "thermometer"},
    },
    "metadata": {
        "name": "t1",
        "namespace": "plant",
        "uid": "6f3c",
        "resourceVersion": "812",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "labels": {"description": "cold store"},
    },
    "apiVersion": API,
}
"""Every field there is, in another order than ours, with what a server adds."""


def test_every_field_of_kubeedge_is_taken_in_any_order_and_nothing_of_the_spec_is_lost() -> None:
    import msgspec

    own = owned(EVERYTHING)
    read = read_device(own, "file.yaml")
    assert list(device_faults(read, read_model(model(), "m.yaml"))) == []
    again = msgspec.to_builtins(read)
    assert again["spec"]["properties"][0]["pushMethod"] == EVERYTHING["spec"]["properties"][0]["pushMethod"]
    assert read_device(EVERYTHING, "file.yaml").spec == read.spec


def test_what_a_server_added_is_left_out_and_the_rest_stays_as_it_was_written() -> None:
    own = owned(EVERYTHING)
    assert own["metadata"] == {"name": "t1", "namespace": "plant", "labels": {"description": "cold store"}}
    assert own["spec"] == EVERYTHING["spec"]
    assert "status" not in own
    assert "uid" in EVERYTHING["metadata"], "the caller's own data is not touched"


@pytest.mark.parametrize("value", ["-20", "50", "+7", "0"])
def test_a_value_at_its_bounds_fits(value: str) -> None:
    assert list(device_faults(read_device(device(wants("temperature", value)), "f"), read_model(model(), "m"))) == []


def test_without_its_model_a_device_is_checked_by_itself_alone() -> None:
    assert list(device_faults(read_device(device(wants("anything", "x")), "f"), None)) == []
    assert list(device_faults(read_device(device({"name": "a"}, {"name": "a"}), "f"), None)) != []


def test_unit_bounds_type_and_access_come_from_the_model_and_what_it_forbids_is_withheld() -> None:
    of: DeviceModel = read_model(model(), "m")
    one: Device = read_device(device(wants("temperature", "99"), wants("level", "0.75"), wants("serial", "")), "f")
    assert withheld(one, of) == {"temperature"}
    assert withheld(one, None) == {"temperature", "level"}
    said = declared(one, of, withheld(one, of))
    assert (said["temperature"].kind, said["temperature"].unit, said["temperature"].maximum) == ("int", "°C", 50.0)
    assert (said["temperature"].desired, said["temperature"].withheld) == (None, True)
    assert (said["level"].desired, said["serial"].desired, said["serial"].writable) == ("0.75", None, False)
    alone = read_device(device(wants("x", "1"), deviceModelRef=None), "f")
    assert withheld(alone, None) == frozenset()
