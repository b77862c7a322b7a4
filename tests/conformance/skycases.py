"""The words of the table of the cloud: a case does something to both sides and then says what must come to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from tests.conformance.likeness import NOW, UUID, differs
from tests.conformance.sky import Line, Sky

API = "devices.kubeedge.io/v1beta1"


class Thing:
    """The device of one case, `default/NAME`, with properties `temp`, `sw` and `mode` of its own model."""

    def __init__(self, sky: Sky, number: int) -> None:
        self.sky = sky
        self.name = f"d{number}"
        self.id = f"default/{self.name}"
        self.model = f"m{number}"
        self.object = f"default/device/{self.name}"
        self.topic = f"$hw/events/device/{self.id}"
        self.report = f"device/{self.id}/twin/edge_updated"
        self._told: dict[str, str] = {}

    def apply(self, node: str = "n1", labels: dict[str, str] | None = None, **desired: str) -> None:
        """Make the Device, or change it."""
        properties: list[Any] = [{"name": name} for name in ("temp", "sw", "mode")]
        for one in properties:
            if one["name"] in desired:
                one["desired"] = {"value": desired[one["name"]]}
        spec = {"deviceModelRef": {"name": self.model}, "nodeName": node, "properties": properties}
        meta = {"name": self.name, "namespace": "default", "labels": labels or {}}
        self.sky.do(lambda cloud: cloud.cluster.apply({"kind": "Device", "metadata": meta, "spec": spec}))

    def apply_model(self, **maximum: str) -> None:
        """Make the DeviceModel, or change it."""
        properties = [{"name": n, "type": "STRING", "accessMode": "ReadWrite"} for n in ("temp", "sw", "mode")]
        for one in properties:
            if one["name"] in maximum:
                one |= {"type": "INT", "maximum": maximum[one["name"]]}
        meta = {"name": self.model, "namespace": "default"}
        spec = {"protocol": "p", "properties": properties}
        self.sky.do(lambda cloud: cloud.cluster.apply({"kind": "DeviceModel", "metadata": meta, "spec": spec}))

    def desire(self, **values: str) -> None:
        """`kubectl patch`."""
        self.sky.do(lambda cloud: cloud.cluster.desire("default", self.name, values))

    def delete(self) -> None:
        self.sky.do(lambda cloud: cloud.cluster.delete("Device", "default", self.name))

    def says(self, **values: str) -> None:
        """The device reports."""
        self._told |= values
        twin = {name: {"actual": {"value": value}} for name, value in values.items()}
        self.sky.say(f"{self.topic}/twin/update", {"event_id": "e", "timestamp": 1, "twin": twin})

    def join(self, **desired: str) -> None:
        """Make it and wait until it is a member here, and the cloud knows that."""
        self.apply_model()
        self.apply(**desired)
        self.sky.until(lambda: self.sky.acknowledged(self.object))
        self.sky.until(lambda: self.sky.twin(self.id))

    def reports(self) -> list[Line]:
        return self.sky.up(self.report)

    def values(self, name: str) -> list[str]:
        """What was reported of a property, message by message."""
        twins = [line["content"]["twin"] for line in self.reports()]
        return [twin[name]["actual"]["value"] for twin in twins if name in twin]

    def confirmed(self) -> bool:
        """The cloud has confirmed all that it reported."""
        twin = self.sky.twin(self.id)
        found = twin.properties if twin is not None else {}
        told = {name: one.reported.value for name, one in found.items() if one.reported and not one.unsynced}
        return all(told.get(name) == value for name, value in self._told.items())

    def status(self) -> dict[str, str]:
        """Reported values in the cloud's DeviceStatus."""
        found = self.sky.do(lambda cloud: cloud.cluster.get("DeviceStatus", "default", self.name)) or {"status": {}}
        return {t["propertyName"]: t["reported"]["value"] for t in found["status"].get("twins", [])}

    def membership(self, kind: str) -> int:
        """How often our list of members was told to have changed by it; `kind` is added or removed."""
        said = self.sky.said("$hw/events/node/n1/membership/updated")
        return len([b for b in said for m in b[f"{kind}_devices"] or () if m["id"] == self.id])


class Case(Struct, frozen=True):
    """`options` ask for a stage of its own, whose stand-in and section differ so; else all share one."""

    id: str
    says: str
    play: Callable[[Thing], None]
    variant: str = ""
    options: dict[str, Any] = {}


def frame(operation: str, resource: str, content: object, source: str, group: str, parent: bool = False) -> Line:
    """What a message of ours looks like, header and all."""
    header: dict[str, object] = {"msg_id": UUID, "timestamp": NOW}
    if parent:
        header["parent_msg_id"] = UUID
    route = {"source": source, "group": group, "operation": operation, "resource": resource}
    return {"header": header, "route": route, "content": content}


def is_like(line: Line, wanted: Line) -> None:
    """Fail unless a recorded message is as wanted."""
    fault = differs(wanted, {key: line[key] for key in wanted})
    assert not fault, fault
