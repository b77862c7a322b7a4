"""Instructions to MQTT messages: topics and JSON bodies with EdgeCore's keys."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from twins.instructions import (
    CLOUD_TOPIC,
    Answer,
    Attributes,
    Delta,
    Instruction,
    Member,
    Membership,
    Refuse,
    Revision,
    Roster,
    StateAnswer,
)
from twins.property import Sides
from twins.stimuli import Reply
from twins.values import Attribute, Property, Value

Message = tuple[str, bytes]


class _Stamp(Struct, gc=False):
    timestamp: int


class _Side(Struct, gc=False):
    value: str
    metadata: _Stamp


class _Type(Struct, frozen=True, gc=False):
    type: str


class _Twin(Struct, gc=False):
    expected: _Side | UnsetType = UNSET
    actual: _Side | UnsetType = UNSET
    optional: bool = True
    metadata: _Type = _Type("string")


class _Result(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, _Twin | None]


class _Delta(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, _Twin]
    delta: dict[str, str]


class _Change(Struct, gc=False):
    last: _Twin | None
    current: _Twin | None


class _Document(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, _Change]


class _Error(Struct, gc=False):
    event_id: str
    timestamp: int
    code: int
    reason: str


class _Attribute(Struct, gc=False):
    value: str
    optional: bool | UnsetType = UNSET
    metadata: _Type | UnsetType = UNSET


class _Attributes(Struct, gc=False):
    event_id: str
    timestamp: int
    attributes: dict[str, _Attribute]


class _Device(Struct, gc=False, omit_defaults=True):
    id: str = ""
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    attributes: dict[str, _Attribute] = {}
    twin: dict[str, _Twin] = {}


class _Membership(Struct, gc=False):
    event_id: str
    timestamp: int
    added_devices: list[_Device] | None
    removed_devices: list[_Device] | None


class _Roster(Struct, gc=False):
    event_id: str
    timestamp: int
    devices: list[_Device]


class _StateDevice(Struct, gc=False):
    name: str
    state: str
    lastOnlineTime: str | UnsetType = UNSET  # noqa: N815 - KubeEdge's word


class _StateResult(Struct, gc=False):
    event_id: str
    timestamp: int
    device: _StateDevice


_encode = msgspec.json.Encoder().encode
_types: dict[str, _Type] = {}
_NOT_DESIRED = frozenset({"reported", "none"})
_NOT_REPORTED = frozenset({"desired", "none"})


class Writer:
    """Instructions to MQTT messages. Each `write` gives the messages of one instruction, in KubeEdge's order."""

    def __init__(self, node: str, *, strict: bool = False) -> None:
        self._node = node
        self._strict = strict
        self._writers: dict[type[Instruction], Callable[[Any, int], list[Message]]] = {
            Revision: self._revision,
            Answer: self._answer,
            Delta: self._delta,
            Refuse: self._refusal,
            StateAnswer: self._state,
            Roster: self._roster,
            Membership: self._membership,
            Attributes: self._attributes,
        }

    def write(self, instruction: Instruction, now: int) -> list[Message]:
        """The messages an instruction means on the wire; none for those that are nobody's business there."""
        writer = self._writers.get(type(instruction))
        return [] if writer is None else writer(instruction, now // 1000)

    def _answer(self, i: Answer, ms: int) -> list[Message]:
        if i.kind == "get":
            twins: dict[str, _Twin | None] = {n: _shown(p) for n, p in i.properties.items() if p is not None}
        else:
            twins = {n: None if p is None else _parts(p, i.sides.get(n, "all")) for n, p in i.properties.items()}
        return [(f"{_topic(i.device, i.reply)}/twin/{i.kind}/result", _encode(_Result(i.reply.event, ms, twins)))]

    def _revision(self, i: Revision, ms: int) -> list[Message]:
        """The answer to whoever asked, and the document unless nothing changed."""
        messages: list[Message] = []
        now = {name: _shown(c.current, c.last) for name, c in i.changes.items()}
        if i.reply is not None:
            twins: dict[str, _Twin | None] = {n: _touched(c.current, c.sides, now[n]) for n, c in i.changes.items()}
            twins |= {name: None for name, last in i.gone.items() if last is not None and not last.deleted}
            messages.append((f"{_topic(i.device, i.reply)}/twin/update/result", _encode(_Result(i.event, ms, twins))))
        if not i.changes and not i.gone:
            return messages
        changes = {n: _Change(None if c.last is None else _shown(c.last), now[n]) for n, c in i.changes.items()}
        changes |= {n: _Change(None if last is None else _shown(last), None) for n, last in i.gone.items()}
        document = (f"$hw/events/device/{i.device}/twin/update/document", _encode(_Document(i.event, ms, changes)))
        return messages + (_also_short(i.device, [document]) if i.short else [document])

    def _delta(self, i: Delta, ms: int) -> list[Message]:
        delta = {n: p.desired.value for n, p in i.properties.items() if p.drifts and p.desired is not None}
        body = _Delta(_fresh(i), ms, {n: _shown(p) for n, p in i.properties.items()}, delta)
        messages = [(f"$hw/events/device/{i.device}/twin/update/delta", _encode(body))]
        return messages if not i.short else _also_short(i.device, messages)

    def _refusal(self, i: Refuse, ms: int) -> list[Message]:
        if not i.topic or (i.topic == "state/update" and self._strict):
            return []
        body = _encode(_Error(i.reply.event, ms, i.code, i.reason))
        if i.topic == "membership/get":
            return [(f"$hw/events/node/{self._node}/membership/get/result", body)]
        topic = "twin/update" if i.topic == CLOUD_TOPIC else i.topic  # where EdgeCore answers its cloud too
        messages = [(f"{_topic(i.device, i.reply)}/{topic}/result", body)]
        if self._strict and i.early:
            messages.append(("$hw/events/device//twin/update/result", body))  # where EdgeCore answers
        return messages

    def _state(self, i: StateAnswer, ms: int) -> list[Message]:
        name = i.device.partition("/")[2]
        online = _rfc3339(i.last_online) if i.last_online else UNSET
        event = _fresh(i) if self._strict else i.reply.event
        body = _StateResult(event, ms, _StateDevice(name, i.state, online))
        return [(f"{_topic(i.device, i.reply)}/state/update/result", _encode(body))]

    def _roster(self, i: Roster, ms: int) -> list[Message]:
        devices = [_device(member) for member in i.members]
        topic = f"$hw/events/node/{self._node}/membership/get/result"
        return [(topic, _encode(_Roster(i.reply.event, ms, devices)))]

    def _membership(self, i: Membership, ms: int) -> list[Message]:
        device = _device(i.member)
        device.twin = {name: _shown(p) for name, p in i.properties.items()}
        body = _Membership(_fresh(i), ms, [device] if i.added else None, None if i.added else [device])
        return [(f"$hw/events/node/{self._node}/membership/updated", _encode(body))]

    def _attributes(self, i: Attributes, ms: int) -> list[Message]:
        body = _Attributes("", ms, {name: _attribute(one) for name, one in i.values.items()})
        return [(f"$hw/events/device/{i.device}/updated", _encode(body))]


def _topic(device: str, reply: Reply) -> str:
    return f"$hw/events/device/{device.partition('/')[2] if reply.short else device}"


def _also_short(device: str, messages: list[Message]) -> list[Message]:
    """The messages, and each on its older topic without a namespace too."""
    name = device.partition("/")[2]
    return messages + [(topic.replace(f"/{device}/", f"/{name}/", 1), body) for topic, body in messages]


def _fresh(i: Instruction) -> str:
    """A new event id, made from the cause: the same cause tells the same story under the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{i.cause}\0{i.device}\0{type(i).__name__}"))


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _device(member: Member) -> _Device:
    online = _rfc3339(member.last_online) if member.last_online else ""
    attributes = {name: _attribute(one) for name, one in member.attributes.items()}
    name = member.device.partition("/")[2]
    return _Device(member.device, name, member.description, member.state, online, attributes)


def _attribute(one: Attribute) -> _Attribute:
    optional = UNSET if one.optional is None else one.optional
    return _Attribute(one.value, optional, UNSET if one.kind is None else _type(one.kind))


def _side(value: Value) -> _Side:
    return _Side(value.value, _Stamp(value.at // 1000))


def _type(kind: str) -> _Type:
    return _types.setdefault(kind, _Type(kind))


def _shown(p: Property, before: Property | None = None) -> _Twin:
    """A property as a reader sees it. An empty side is hidden, unless the change from `before` emptied it.

    Written out: it runs for every value of every message.
    """
    reported, desired = p.reported, p.desired
    return _Twin(
        UNSET
        if desired is None or (not desired.value and (before is None or desired is before.desired))
        else _Side(desired.value, _Stamp(desired.at // 1000)),
        UNSET
        if reported is None or (not reported.value and (before is None or reported is before.reported))
        else _Side(reported.value, _Stamp(reported.at // 1000)),
        p.optional,
        _types.get(p.kind) or _type(p.kind),
    )


def _touched(p: Property, sides: Sides, shown: _Twin) -> _Twin:
    """As `_parts`; `shown` is all of it, which for most reports is the same."""
    if sides == "reported" and shown.expected is UNSET and shown.actual is not UNSET:
        return shown
    return _parts(p, sides)


def _parts(p: Property, sides: Sides) -> _Twin:
    """A property as the answer to an update shows it: only the sides that were touched."""
    expected = UNSET if sides in _NOT_DESIRED or p.desired is None else _side(p.desired)
    actual = UNSET if sides in _NOT_REPORTED or p.reported is None else _side(p.reported)
    return _Twin(expected, actual, p.optional, _type(p.kind))
