"""The manifests that follow from a birth: a Device, and its DeviceModel. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devices.sparkplug import datatype as types
from devices.sparkplug.birth import Birth
from devices.sparkplug.heard import Arrival
from devices.sparkplug.topic import ANNOTATION, Place
from devices.telemetry.grants import DISCOVERED
from twins.liveness import ATTENDED, INTERVAL
from twins.manifests import API, declared, read_device, read_model
from twins.stimuli import Joined

_OURS = "sparkplug"


def manifests(birth: Birth) -> Iterator[dict[str, Any]]:
    """Model and device, in the order in which they are applied."""
    namespace, _, name = birth.device.partition("/")
    labels = {DISCOVERED: _OURS, "description": description(birth.place)}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    properties = []
    for d in sorted(birth.metrics, key=lambda d: d.name):
        declares = types.declared(d.datatype)
        assert declares is not None  # others have no definition
        each = {"name": d.name, "type": declares.type, "accessMode": "ReadWrite" if d.writable else "ReadOnly"}
        told = {"minimum": declares.minimum, "maximum": declares.maximum, "unit": d.unit}
        properties.append(each | {key: text for key, text in told.items() if text})
    yield {"apiVersion": API, "kind": "DeviceModel", "metadata": metadata, "spec": {"properties": properties}}
    notes = {ANNOTATION: birth.place.source, INTERVAL: "never"}
    spec = {"deviceModelRef": {"name": name}}
    yield {"apiVersion": API, "kind": "Device", "metadata": metadata | {"annotations": notes}, "spec": spec}


def joined(birth: Birth, bodies: Sequence[dict[str, Any]], arrival: Arrival) -> Joined:
    """The device as its manifests will have it: its values are in the same message."""
    model, device = bodies
    properties = declared(read_device(device, birth.device), read_model(model, birth.device))
    name = birth.device.partition("/")[2]
    return Joined(
        birth.device, arrival.cause, arrival.seen, properties, description(birth.place), name, rhythm=ATTENDED
    )


def description(place: Place) -> str:
    """What a device that was made of the place says of itself."""
    return f"Sparkplug {place.source}"


def is_ours(body: Mapping[str, Any]) -> bool:
    """True of a manifest that was made here, not by a person or by another discovery."""
    return bool((body["metadata"].get("labels") or {}).get(DISCOVERED) == _OURS)
