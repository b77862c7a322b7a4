"""Manifests to the messages that mappers get: a device with what its model adds and what is desired of it now."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from devices.dmi.packing import Packing
from devices.dmi.wire import dmi_pb2 as pb
from twins.manifests import Device, DeviceModel
from twins.manifests.model import Visitor

Values = dict[str, Any]


def device_message(
    device: Device, model: DeviceModel | None, desired: Mapping[str, str], packing: Packing
) -> pb.Device:
    """The whole device. Raises `Rejected` for a value that can't be sent.

    KubeEdge's order of precedence: settings of the instance before those of the model, key by key; the protocol of a
    visitor is the model's. KubeEdge's mapper-framework follows pointers unchecked and dies of a property without
    `desired` or `visitors`, or that its model does not have: the first two are always there, the third is left out.
    """
    spec: Values = msgspec.to_builtins(device.spec)
    spec["properties"] = list(spec["properties"])
    report = spec.pop("stateReport") or {}
    reference = spec.pop("deviceModelRef")
    message = pb.Device(name=device.metadata.name, namespace=device.metadata.namespace)
    message.spec.deviceModelReference = reference["name"] if reference else ""
    _ask(spec["properties"], desired)
    _reach(spec["properties"], model)
    if model is not None:
        _override(spec, model)
        if not packing.strict:
            spec["properties"] = _declared(spec["properties"], model, packing)
    packing.fill(message.spec, spec, "spec")
    packing.fill(message.status, report, "spec.stateReport")
    return message


def model_message(model: DeviceModel, packing: Packing) -> pb.DeviceModel:
    """The whole model."""
    message = pb.DeviceModel(name=model.metadata.name, namespace=model.metadata.namespace)
    packing.fill(message.spec, msgspec.to_builtins(model.spec), "spec")
    return message


def likeness(message: pb.Device | pb.DeviceModel) -> bytes:
    """The same for two that differ in the order of their properties and methods only."""
    sorted_ = type(message).FromString(message.SerializeToString())
    sorted_.spec.properties.sort(key=lambda each: each.name)
    if isinstance(sorted_, pb.Device):
        sorted_.spec.methods.sort(key=lambda each: each.name)
        for method in sorted_.spec.methods:
            method.propertyNames.sort()
    return blake2b(sorted_.SerializeToString(deterministic=True), digest_size=16).digest()


def _override(spec: Values, model: DeviceModel) -> None:
    if model.spec.protocol_config_data:
        own = spec["protocol"] or {"protocolName": model.spec.protocol}
        spec["protocol"] = own | {"configData": model.spec.protocol_config_data | (own.get("configData") or {})}


def _reach(properties: list[Values], model: DeviceModel | None) -> None:
    """Put the model's settings of each property below its own."""
    visitors = {p.name: p.visitors for p in model.spec.properties} if model is not None else {}
    for each in properties:
        own, base = each.get("visitors") or {}, visitors.get(each["name"]) or Visitor()
        name = base.protocol_name or own.get("protocolName", "")
        config = (base.config_data or {}) | (own.get("configData") or {})
        each["visitors"] = {"protocolName": name, "configData": config}


def _declared(properties: list[Values], model: DeviceModel, packing: Packing) -> list[Values]:
    """Those that the model has; a person is told of the others."""
    known = {p.name for p in model.spec.properties}
    for each in properties:
        if each["name"] not in known:
            packing.warn(
                f"{each['name']}: its mapper is not told of it, as the model {model.metadata.name} has no such property"
            )
    return [each for each in properties if each["name"] in known]


def _ask(properties: list[Values], desired: Mapping[str, str]) -> None:
    """Put what is desired now in the place of what the manifest desires; a property of the model alone is added."""
    asked = dict(desired)
    for each in properties:
        said = each["desired"] or {}
        each["desired"] = {"value": asked.pop(each["name"], ""), "metadata": said.get("metadata", {})}
    properties += ({"name": name, "desired": {"value": value}} for name, value in asked.items())
