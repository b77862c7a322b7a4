"""A device's twin as the `status` of its manifest: KubeEdge's form, with conditions and drift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from twins.exchange import Condition
from twins.manifests import API
from twins.values import Property, Twin, Value


def standing(twin: Twin, conditions: Sequence[Condition] = ()) -> dict[str, Any]:
    """The status; sides that are not there and empty lists are left out."""
    status: dict[str, Any] = {}
    if twin.state:
        status["state"] = twin.state
    if twin.last_online:
        status["lastOnlineTime"] = timestamp(twin.last_online)
    told = [_property(name, p) for name, p in twin.properties.items() if not p.deleted]
    if told:
        status["twins"] = told
    if conditions:
        status["conditions"] = [{"reason": each.reason, "message": each.message} for each in conditions]
    return status


def manifest_of(twin: Twin, kind: str = "Device") -> dict[str, Any]:
    """The manifest of a device that nobody declared: it joined by its first message."""
    namespace, _, name = twin.device.partition("/")
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": {}}


def _property(name: str, p: Property) -> dict[str, Any]:
    said: dict[str, Any] = {"propertyName": name}
    if p.reported is not None:
        said["reported"] = _side(p.reported, p.kind)
    if p.desired is not None and p.desired.value:
        said["observedDesired"] = _side(p.desired, p.kind)
    return said


def _side(value: Value, kind: str) -> dict[str, Any]:
    return {"value": value.value, "metadata": {"timestamp": str(value.at // 1000), "type": kind}}


def timestamp(at: int) -> str:
    """A time as Kubernetes writes it."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
