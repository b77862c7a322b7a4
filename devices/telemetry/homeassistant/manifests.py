"""The manifests that follow from entities: a device, its model, and a mapping for each topic it speaks on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from devices.telemetry.grants import DISCOVERED
from devices.telemetry.homeassistant.entity import Entity
from twins.manifests import API

OURS = "homeassistant"
"""What manifests that are made here have as their label `DISCOVERED`: others stay as they are."""


def mapping_name(device: str, topic: str) -> str:
    """The mapping of one topic of one device."""
    return f"{device[:50].rstrip('-')}-{hashlib.blake2b(topic.encode(), digest_size=4).hexdigest()}"


def with_model(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The device's model, with this entity in it."""
    kind = {"name": one.name, "type": one.type, "accessMode": "ReadWrite" if one.command else "ReadOnly"}
    if one.unit:
        kind["unit"] = one.unit
    before = [p for p in _spec(known).get("properties", []) if p["name"] != one.name]
    return _manifest(API, "DeviceModel", one.device, namespace, {"properties": [*before, kind]})


def with_device(one: Entity, namespace: str) -> dict[str, Any]:
    """The device itself."""
    made = _manifest(API, "Device", one.device, namespace, {"deviceModelRef": {"name": one.device}})
    made["metadata"]["annotations"] = {"gemelo.dev/title": one.title}
    return made


def with_mapping(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The mapping of the entity's topic, with this entity in it."""
    spec = _spec(known)
    taken: dict[str, Any] = {"name": one.name, "path": one.path, "type": one.type.lower()}
    if one.map:
        taken["map"] = one.map
    if one.unit:
        taken["unit"] = one.unit
    if one.command:
        taken["command"] = {"topic": one.command, "map": {str(v).lower(): k for k, v in one.map.items()}}
    others = [p for p in spec.get("properties", []) if p["name"] != one.name]
    return _mapped(known, one, namespace, one.topic, spec | {"properties": [*others, taken]})


def with_state(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The mapping of the topic on which the device says that it is there."""
    assert one.availability is not None  # asked only then
    topic, path, words = one.availability
    return _mapped(known, one, namespace, topic, _spec(known) | {"state": {"path": path, "map": words}})


def without(known: Mapping[str, Any], entity: str) -> dict[str, Any] | None:
    """A mapping without an entity that is gone; `None` when nothing is left of it."""
    told = known["metadata"].get("annotations", {})
    gone = {name for name, each in told.items() if each == entity}
    left = [p for p in _spec(known).get("properties", []) if p["name"] not in gone]
    if not left and "state" not in _spec(known):
        return None
    metadata = known["metadata"] | {"annotations": {n: e for n, e in told.items() if n not in gone}}
    return {**known, "metadata": metadata, "spec": _spec(known) | {"properties": left}}


def _mapped(
    known: Mapping[str, Any] | None, one: Entity, namespace: str, topic: str, spec: dict[str, Any]
) -> dict[str, Any]:
    name = mapping_name(one.device, topic)
    whole = {"topic": topic, "device": f"{namespace}/{one.device}", "rest": "ignore"} | spec
    made = _manifest("gemelo.dev/v1alpha1", "Mapping", name, namespace, whole)
    told = {} if known is None else known["metadata"].get("annotations", {})
    made["metadata"]["annotations"] = told | ({one.name: one.id} if topic == one.topic else {})
    return made


def _manifest(api: str, kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {DISCOVERED: OURS}}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def _spec(known: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if known is None else dict(known["spec"])
