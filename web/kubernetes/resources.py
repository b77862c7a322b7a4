"""The resources that are served: their names, what may be done with them, and the columns of their tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

GROUP: Final = "devices.kubeedge.io"
VERSION: Final = "v1beta1"
GROUP_VERSION: Final = f"{GROUP}/{VERSION}"
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "patch", "update")
Object = dict[str, Any]


class Column(Struct, frozen=True):
    """One column of a table; those with a `priority` are shown by `kubectl get -o wide` alone."""

    name: str
    description: str
    cell: Callable[[Object], object]
    type: str = "string"
    format: str = ""
    priority: int = 0


class Resource(Struct, frozen=True):
    """One kind of object and its place in the address."""

    plural: str
    singular: str
    kind: str
    verbs: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def qualified(self) -> str:
        """Its name as messages have it."""
        return f"{self.plural}.{GROUP}"


def _spec(*path: str) -> Callable[[Object], object]:
    def cell(data: Object) -> object:
        at: Any = data.get("spec")
        for key in path:
            at = at.get(key) if isinstance(at, dict) else None
        return at or ""

    return cell


def _twins(data: Object) -> str:
    """What is reported, and where something else is asked, what: `speed=10→20, mode=auto`."""
    told = []
    for each in (data.get("status") or {}).get("twins", ()):
        reported, desired = each["reported"]["value"], each["observedDesired"]["value"]
        told.append(f"{each['propertyName']}={reported}" + (f"→{desired}" if desired not in ("", reported) else ""))
    return ", ".join(told)


NAME = Column("Name", "Name of the object", lambda data: data["metadata"]["name"], format="name")
AGE = Column(
    "Age", "Since when it is known here", lambda data: data["metadata"].get("creationTimestamp"), "date", priority=0
)
MODEL = Column("Model", "Its DeviceModel", _spec("deviceModelRef", "name"))
PROTOCOL = Column("Protocol", "The protocol that its mapper speaks", _spec("protocol", "protocolName"))
NODE = Column("Node", "The edge node it is at", _spec("nodeName"), priority=1)
RESOURCES = (
    Resource("devices", "device", "Device", READ + WRITE, (NAME, MODEL, PROTOCOL, NODE, AGE)),
    Resource(
        "devicemodels",
        "devicemodel",
        "DeviceModel",
        READ + WRITE,
        (
            NAME,
            Column("Protocol", "The protocol of its devices", _spec("protocol")),
            Column("Properties", "How many it has", lambda data: len(data["spec"].get("properties") or ()), "integer"),
            AGE,
        ),
    ),
    Resource(
        "devicestatuses",
        "devicestatus",
        "DeviceStatus",
        READ,
        (
            NAME,
            Column("State", "How the device is", lambda data: data["status"].get("state", "")),
            Column("Online", "When it was heard last", lambda data: data["status"].get("lastOnlineTime"), "date"),
            Column("Twins", "What is reported, and what is asked instead", _twins),
            Column("Age", AGE.description, AGE.cell, "date", priority=1),
        ),
    ),
)
BY_PLURAL = {each.plural: each for each in RESOURCES}
