"""Instructions to MQTT messages: topics and JSON bodies with EdgeCore's keys."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from twins.instructions import (
    CLOUD_TOPIC,
    Answer,
    Attributes,
    Delta,
    Instruction,
    Membership,
    Refuse,
    Revision,
    Roster,
    StateAnswer,
)
from twins.kubeedge.bodies import (
    AttributesBody,
    ChangeBody,
    DeltaBody,
    DocumentBody,
    ErrorBody,
    MembershipBody,
    ResultBody,
    RosterBody,
    StateBody,
    StateDevice,
    TwinBody,
    attribute_of,
    device_of,
    parts,
    rfc3339,
    shown,
    touched,
)
from twins.stimuli import Reply
from twins.values import Property

T = TypeVar("T")
Message = tuple[str, bytes]
ANSWER_LIMIT = 1_000_000
"""Bytes of a message that grows with what there is; a broker takes a megabyte, and drops the rest without a word."""

_encode = msgspec.json.Encoder().encode


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
            twins: dict[str, TwinBody | None] = {n: shown(p) for n, p in i.properties.items() if p is not None}
        else:
            twins = {n: None if p is None else parts(p, i.sides.get(n, "all")) for n, p in i.properties.items()}
        return [(f"{_topic(i.device, i.reply)}/twin/{i.kind}/result", _sendable(ResultBody(i.reply.event, ms, twins)))]

    def _revision(self, i: Revision, ms: int) -> list[Message]:
        """The answer to whoever asked, and the document unless nothing changed."""
        messages: list[Message] = []
        now = {name: shown(c.current, c.last) for name, c in i.changes.items()}
        if i.reply is not None:
            twins: dict[str, TwinBody | None] = {n: touched(c.current, c.sides, now[n]) for n, c in i.changes.items()}
            twins |= {name: None for name, last in i.gone.items() if last is not None and not last.deleted}
            messages.append(
                (f"{_topic(i.device, i.reply)}/twin/update/result", _encode(ResultBody(i.event, ms, twins)))
            )
        if not i.changes and not i.gone:
            return messages
        changes = {n: ChangeBody(None if c.last is None else shown(c.last), now[n]) for n, c in i.changes.items()}
        changes |= {n: ChangeBody(None if last is None else shown(last), None) for n, last in i.gone.items()}
        topic, whole = f"$hw/events/device/{i.device}/twin/update/document", _encode(DocumentBody(i.event, ms, changes))
        documents = [(topic, whole)]
        if len(whole) > ANSWER_LIMIT:
            documents = [(topic, body) for body in _parted(changes, lambda part: DocumentBody(i.event, ms, part))]
        return messages + (_also_short(i.device, documents) if i.short else documents)

    def _delta(self, i: Delta, ms: int) -> list[Message]:
        event, topic = _fresh(i), f"$hw/events/device/{i.device}/twin/update/delta"

        def body(part: dict[str, Property]) -> DeltaBody:
            delta = {n: p.desired.value for n, p in part.items() if p.drifts and p.desired is not None}
            return DeltaBody(event, ms, {n: shown(p) for n, p in part.items()}, delta)

        messages = [(topic, each) for each in _parted(i.properties, body)]
        return messages if not i.short else _also_short(i.device, messages)

    def _refusal(self, i: Refuse, ms: int) -> list[Message]:
        if not i.topic or (i.topic == "state/update" and self._strict):
            return []
        body = _encode(ErrorBody(i.reply.event, ms, i.code, i.reason))
        if i.topic == "membership/get":
            return [(f"$hw/events/node/{self._node}/membership/get/result", body)]
        topic = "twin/update" if i.topic == CLOUD_TOPIC else i.topic  # where EdgeCore answers its cloud too
        messages = [(f"{_topic(i.device, i.reply)}/{topic}/result", body)]
        if self._strict and i.early:
            messages.append(("$hw/events/device//twin/update/result", body))  # where EdgeCore answers
        return messages

    def _state(self, i: StateAnswer, ms: int) -> list[Message]:
        name = i.device.partition("/")[2]
        online = rfc3339(i.last_online) if i.last_online else UNSET
        event = _fresh(i) if self._strict else i.reply.event
        body = StateBody(event, ms, StateDevice(name, i.state, online))
        return [(f"{_topic(i.device, i.reply)}/state/update/result", _encode(body))]

    def _roster(self, i: Roster, ms: int) -> list[Message]:
        devices = [device_of(member) for member in i.members]
        topic = f"$hw/events/node/{self._node}/membership/get/result"
        return [(topic, _sendable(RosterBody(i.reply.event, ms, devices)))]

    def _membership(self, i: Membership, ms: int) -> list[Message]:
        device = device_of(i.member)
        device.twin = {name: shown(p) for name, p in i.properties.items()}
        body = MembershipBody(_fresh(i), ms, [device] if i.added else None, None if i.added else [device])
        return [(f"$hw/events/node/{self._node}/membership/updated", _encode(body))]

    def _attributes(self, i: Attributes, ms: int) -> list[Message]:
        body = AttributesBody("", ms, {name: attribute_of(one) for name, one in i.values.items()})
        return [(f"$hw/events/device/{i.device}/updated", _encode(body))]


def _sendable(answer: ResultBody | RosterBody) -> bytes:
    """The body of an answer, or of a refusal in its place when no broker would take it."""
    body = _encode(answer)
    if len(body) <= ANSWER_LIMIT:
        return body
    reason = f"the answer has {len(body)} bytes, more than the {ANSWER_LIMIT} of one message"
    return _encode(ErrorBody(answer.event_id, answer.timestamp, 400, reason))


def _parted(whole: dict[str, T], body: Callable[[dict[str, T]], DocumentBody | DeltaBody]) -> list[bytes]:
    """The body of all, or those of its parts when no broker would take it: a change that nobody hears of is lost."""
    encoded = _encode(body(whole))
    if len(encoded) <= ANSWER_LIMIT or len(whole) == 1:
        return [encoded]
    items = list(whole.items())
    half = len(items) // 2
    return _parted(dict(items[:half]), body) + _parted(dict(items[half:]), body)


def _topic(device: str, reply: Reply) -> str:
    return f"$hw/events/device/{device.partition('/')[2] if reply.short else device}"


def _also_short(device: str, messages: list[Message]) -> list[Message]:
    """The messages, and each on its older topic without a namespace too."""
    name = device.partition("/")[2]
    return messages + [(topic.replace(f"/{device}/", f"/{name}/", 1), body) for topic, body in messages]


def _fresh(i: Instruction) -> str:
    """A new event id, made from the cause: the same cause tells the same story under the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{i.cause}\0{i.device}\0{type(i).__name__}"))
