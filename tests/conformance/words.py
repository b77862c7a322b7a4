"""The words in which the table is written: what is said, what comes, and what must be so afterwards.

`$D` stands for the topics of the case's device and `$S` for their older form without a namespace, `$ID` for its id,
`$NAME` for its name; the same with a 2 for a second device, which is no member; `$NODE` for the topics of the node and
`$VOID` for where EdgeCore answers nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from tests.conformance.likeness import ANY, NOW, TIME, UUID
from tests.conformance.stage import Stage

Said = tuple[str, object]
"""Topic (or, upward, resource) and body."""
Check = Callable[[Stage, str], None]


class Say(Struct, frozen=True):
    """Somebody publishes."""

    topic: str
    body: object


class FromCloud(Struct, frozen=True):
    """A message comes from the cloud."""

    resource: str
    content: object
    group: str = "twin"
    operation: str = "update"
    source: str = "devicecontroller"


class Do(Struct, frozen=True):
    """Something else happens to the gateway; `what` gets the device's id."""

    what: Check


class Ago(Struct, frozen=True):
    """In a body: the time so many seconds before the case began, in milliseconds."""

    seconds: int


Step = Say | FromCloud | Do


class Case(Struct, frozen=True):
    """`then` is what the gateway publishes, all of it and in this order; `up` what it sends to the cloud, if asked.

    `strict` and `default` take the place of `then` where the modes differ, and likewise for `up`. A `device` is a
    member, or one that the cloud manages with these properties, or absent.
    """

    id: str
    says: str
    when: tuple[Step, ...]
    then: tuple[Said, ...] = ()
    given: tuple[Step, ...] = ()
    strict: tuple[Said, ...] | None = None
    default: tuple[Said, ...] | None = None
    up: tuple[Said, ...] | None = None
    up_strict: tuple[Said, ...] | None = None
    device: Literal["member", "absent"] | tuple[str, ...] = "member"
    namespace: str = "default"
    node: str = "n1"
    check: Check | None = None
    variant: str = ""


# -- what is said ------------------------------------------------------------------------------------------------------


def update(twin: object, event: str = "e", **more: object) -> Say:
    return Say("$D/twin/update", {"event_id": event, **more, "twin": twin})


def report(event: str = "e", **values: str) -> Say:
    return update({name: {"actual": {"value": value}} for name, value in values.items()}, event)


def desire(event: str = "e", **values: str) -> Say:
    return update({name: {"expected": {"value": value}} for name, value in values.items()}, event)


def typed(kind: str, value: str, event: str = "e", name: str = "k") -> Say:
    return update({name: {"actual": {"value": value}, "metadata": {"type": kind}}}, event)


def get(event: str = "g", topic: str = "$D") -> Say:
    return Say(f"{topic}/twin/get", {"event_id": event})


def state(said: object, event: str = "e") -> Say:
    return Say("$D/state/update", {"event_id": event, "state": said})


def roster(event: str = "m") -> Say:
    return Say("$NODE/membership/get", {"event_id": event})


def wish(event: str = "c", **twins: object) -> FromCloud:
    return FromCloud("device/$ID/twin/cloud_updated", {"event_id": event, "twin": twins})


def wanted(value: str, cloud: int | None = None, edge: int = 0, kind: str | None = "string") -> dict[str, object]:
    said: dict[str, object] = {"expected": {"value": value}}
    if kind is not None:
        said["metadata"] = {"type": kind}
    return said if cloud is None else {**said, "expected_version": {"cloud": cloud, "edge": edge}}


def members(added: object = None, removed: object = None) -> FromCloud:
    body = {"event_id": "x", "timestamp": 1, "added_devices": added, "removed_devices": removed}
    return FromCloud("membership", body)


# -- what comes --------------------------------------------------------------------------------------------------------


def side(value: str) -> dict[str, object]:
    return {"value": value, "metadata": {"timestamp": NOW}}


def twin(
    actual: str | None = None, expected: str | None = None, kind: str = "string", optional: bool = True
) -> dict[str, object]:
    said: dict[str, object] = {"optional": optional, "metadata": {"type": kind}}
    if actual is not None:
        said["actual"] = side(actual)
    return said if expected is None else {**said, "expected": side(expected)}


def result(event: str = "e", topic: str = "$D", **twins: object) -> Said:
    return f"{topic}/twin/update/result", {"event_id": event, "timestamp": NOW, "twin": twins}


def document(event: str = "e", topic: str = "$D", **changes: tuple[object, object]) -> Said:
    shown = {name: {"last": last, "current": current} for name, (last, current) in changes.items()}
    return f"{topic}/twin/update/document", {"event_id": event, "timestamp": NOW, "twin": shown}


def delta(differing: dict[str, str], topic: str = "$D", **twins: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "twin": twins, "delta": differing}
    return f"{topic}/twin/update/delta", body


def got(event: str = "g", topic: str = "$D", **twins: object) -> Said:
    return f"{topic}/twin/get/result", {"event_id": event, "timestamp": NOW, "twin": twins}


def refused(code: int, reason: object, event: str = "e", topic: str = "$D/twin/update/result") -> Said:
    return topic, {"event_id": event, "timestamp": NOW, "code": code, "reason": reason}


def early(reason: object) -> tuple[Said, ...]:
    """What strict mode answers to a body that EdgeCore refuses before it knows who asks."""
    return refused(400, reason, ""), refused(400, reason, "", "$VOID")


def new(event: str = "e", **twins: object) -> tuple[Said, ...]:
    """The answers to an update that makes new properties."""
    return result(event, **twins), document(event, **{name: (None, one) for name, one in twins.items()})


def answered(said: str, event: object = "e", online: bool = True) -> Said:
    device: dict[str, object] = {"name": "$NAME", "state": said}
    if online:
        device["lastOnlineTime"] = TIME
    return "$D/state/update/result", {"event_id": event, "timestamp": NOW, "device": device}


def listed(*devices: object, event: str = "m") -> Said:
    return "$NODE/membership/get/result", {"event_id": event, "timestamp": NOW, "devices": list(devices)}


def joined(device: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "added_devices": [device], "removed_devices": None}
    return "$NODE/membership/updated", body


def left(device: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "added_devices": None, "removed_devices": [device]}
    return "$NODE/membership/updated", body


def edge(**twins: object) -> Said:
    """A report upward."""
    return "device/$ID/twin/edge_updated", {"event_id": ANY, "timestamp": NOW, "twin": twins}


def versioned(
    shown: dict[str, object], actual: tuple[int, int] | None = None, expected: tuple[int, int] | None = None
) -> dict[str, object]:
    """A property in a report, with the version pairs (cloud, edge) of its sides."""
    pairs = {"actual_version": actual, "expected_version": expected}
    return shown | {key: {"cloud": pair[0], "edge": pair[1]} for key, pair in pairs.items() if pair is not None}


BAD_BODY = "Unmarshal update request body failed, please check the request"
NO_TWIN = "Update twin error, key:twin does not exist"
BAD_KEY = (
    "The key of twin must only include upper or lowercase letters, number, english, and special letter "
    "- _ . , : / @ # and the length of key should be less than 128 bytes"
)
BAD_VALUE = (
    "The value of twin must only include upper or lowercase letters, number, english, and special letter "
    "- _ . , : / @ # and the length of value should be less than 512 bytes"
)
NOT_INT, NOT_FLOAT = "the value is not int or integer", "the value is not float"
NOT_BOOL, NO_TYPE = "the bool value must be true or false", "the value type is not allowed"
NOT_MEMBER = "update rejected due to the device is not existed"
ME = {"id": "$ID", "name": "$NAME"}
ME2 = {"id": "$ID2", "name": "$NAME2"}
SYNCED = (wish(sw=wanted("cloud", 1, 0)), desire(sw="mine"))
"""`sw` is desired by the edge, at {cloud 1, edge 1}."""
MINE = edge(sw=versioned(twin(expected="mine"), expected=(1, 1)))
