"""Manifests as people and clusters write them, into structs; KubeEdge's older form is told what became of it."""

from __future__ import annotations

from typing import Final

from twins.errors import Rejected
from twins.manifests.device import Device
from twins.manifests.metadata import API
from twins.manifests.model import DeviceModel
from twins.schema import decode

OLD_API: Final = "devices.kubeedge.io/v1alpha2"
_CHANGES = {
    "Device": (
        "spec.protocol.{modbus,opcua,…} became spec.protocol.{protocolName, configData}, spec.propertyVisitors[] "
        "became spec.properties[].visitors, status.twins[].desired became spec.properties[].desired, "
        "spec.nodeSelector became spec.nodeName, and spec.data is gone"
    ),
    "DeviceModel": (
        "spec.properties[].type.{int,string,…}.{accessMode,minimum,maximum,unit} became spec.properties[].type (INT, "
        "STRING, …) with accessMode, minimum, maximum and unit beside it; a defaultValue became a Device's desired"
    ),
}


def read_device(data: object, where: str) -> Device:
    """A manifest as a Device. Raises `Rejected` with path, reason and nearest valid name."""
    return decode(_current(data, "Device", where), Device, where)


def read_model(data: object, where: str) -> DeviceModel:
    """A manifest as a DeviceModel. Raises `Rejected` with path, reason and nearest valid name."""
    return decode(_current(data, "DeviceModel", where), DeviceModel, where)


def _current(data: object, kind: str, where: str) -> object:
    """Raise `Rejected` for KubeEdge's older form, with what changed since."""
    if isinstance(data, dict) and data.get("apiVersion") == OLD_API:
        raise Rejected(f"{where}: apiVersion: {OLD_API} is KubeEdge's older form; write it as {API}: {_CHANGES[kind]}")
    return data
