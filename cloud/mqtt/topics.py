"""The topics of one node, below `<topic>/<node>`. Pure.

| topic                               | from  |                                                     |
|-------------------------------------|-------|-----------------------------------------------------|
| `twins/<namespace>/<name>/reported` | edge  | properties the cloud has not confirmed              |
| `twins/<namespace>/<name>/state`    | edge  | `online`, `offline`, …                              |
| `twins/<namespace>/<name>/desired`  | cloud | what is desired                                     |
| `manifests/<kind>/<namespace>/<name>` | cloud | a Device or a DeviceModel; empty deletes it       |
| `get`                               | cloud | asks for whole twins                                |
| `<topic of the cloud>/ack`          | edge  | what became of a message                            |
| `devices`                           | edge  | which devices there are; retained                   |
| `state`                             | edge  | that the node is there, or not; retained, last will |
| `events`, `decisions`               | edge  | what happened, what rules decided                   |
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.errors import Rejected
from twins.values import NAME_RULE, device_id, is_name

KINDS = {"devices": "Device", "devicemodels": "DeviceModel"}
"""Kubernetes' names of what may be applied from afar."""


class Place(Struct, frozen=True):
    """What a message of the cloud is about; `name` is `namespace/name`, empty for `get`."""

    what: Literal["desired", "manifest", "get"]
    name: str = ""
    kind: str = ""


class Topics:
    """Those of a node."""

    def __init__(self, topic: str, node: str) -> None:
        self.root = f"{topic}/{node}"
        self.state = f"{self.root}/state"
        self.devices = f"{self.root}/devices"
        self.events = f"{self.root}/events"
        self.decisions = f"{self.root}/decisions"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What the cloud may say; of what we say ourselves the state alone: a second node of our name says it too."""
        return f"{self.root}/manifests/+/+/+", f"{self.root}/twins/+/+/desired", f"{self.root}/get", self.state

    def twin(self, device: str, what: Literal["reported", "state"]) -> str:
        return f"{self.root}/twins/{device}/{what}"

    def place(self, topic: str) -> Place:
        """What a topic of ours is about; `Rejected` for a kind or a name that can't be."""
        match topic.removeprefix(f"{self.root}/").split("/"):
            case ["get"]:
                return Place("get")
            case ["twins", namespace, name, "desired"]:
                return Place("desired", device_id(namespace, name))
            case ["manifests", resource, namespace, name]:
                kind = KINDS.get(resource)
                if kind is None:
                    raise Rejected(f"no kind {resource[:80]!r} is applied from afar: {' and '.join(KINDS)} are", 404)
                if not is_name(namespace) or not is_name(name):
                    raise Rejected(f"{name[:80]!r} in {namespace[:80]!r} is no name: a name is {NAME_RULE}")
                return Place("manifest", device_id(namespace, name), kind)
        raise Rejected("nobody listens to this topic", 404)
