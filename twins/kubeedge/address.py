"""Who and what a topic of the protocol is about."""

from __future__ import annotations

from typing import NamedTuple

from twins.instructions import CLOUD_TOPIC

NAME_LIMIT = 253
"""Characters of a namespace or name: Kubernetes' own limit. What is longer is nobody's topic."""
TOPIC_LIMIT = 640
"""Characters of a topic: two names and the words around them. What is longer is not even remembered."""
TOPICS = 50_000
"""Topics whose meaning is remembered."""
SUBSCRIPTIONS = (
    "$hw/events/device/+/+/twin/+",
    "$hw/events/device/+/+/state/update",
    "$hw/events/device/+/twin/+",
    "$hw/events/device/+/state/update",
    "$hw/events/node/+/membership/get",
)


class Address(NamedTuple):
    """What a topic says: which device (or node), which verb, and whether it is of the one-segment form."""

    device: str
    verb: str
    short: bool
    topic: str = ""


class Addresses:
    """The topics that were read, remembered. With `short` those without a namespace count."""

    def __init__(self, *, short: bool) -> None:
        self._short = short
        self._known: dict[str, Address | None] = {}

    def find(self, topic: str) -> Address | None:
        """As `address`; `None` too for what is too long to be one."""
        try:
            return self._known[topic]
        except KeyError:
            if len(topic) > TOPIC_LIMIT:
                return None
            if len(self._known) >= TOPICS:
                self._known.clear()
            where = address(topic)
            if where is not None and where.short and not self._short:
                where = None
            self._known[topic] = where
            return where


def address(topic: str) -> Address | None:
    """Who and what a topic is about, by position; `None` when it is none of ours."""
    parts = topic.split("/")
    if parts[:2] != ["$hw", "events"] or not all(0 < len(part) <= NAME_LIMIT for part in parts):
        return None
    if parts[2:3] == ["device"]:
        verb = "/".join(parts[-2:])
        if verb not in {"twin/update", "twin/get", CLOUD_TOPIC, "state/update"}:
            return None
        if len(parts) == 7:
            return Address(f"{parts[3]}/{parts[4]}", verb, False, topic)
        if len(parts) == 6:
            return Address(f"default/{parts[3]}", verb, True, topic)
    if len(parts) == 6 and parts[2] == "node" and parts[4:] == ["membership", "get"]:
        return Address(parts[3], "membership/get", False)
    return None
