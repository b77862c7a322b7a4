"""CloudEvents 1.0 over MQTT: structured JSON both ways; binary mode (MQTT 5) and bare JSON are understood too. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw, Struct

from twins.errors import Rejected

STRUCTURED = "application/cloudevents+json"
"""The content type of an event with its attributes around its data."""
TYPE = "dev.gemelo."
"""What the types of our events begin with; the version of each is 1."""
LIMIT = 1_048_576
"""Bytes of a message of the cloud."""
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CloudEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The attributes that we write; `cause` is an extension of ours, the id of the input that led to it."""

    specversion: str
    type: str
    source: str
    id: str
    time: str
    subject: str = ""
    cause: str = ""
    datacontenttype: str
    data: Any


class Said(Struct, frozen=True):
    """What the cloud said: its data as JSON, and the event's id where it has one."""

    data: bytes
    id: str = ""


class _Envelope(Struct):
    specversion: str | None = None
    id: str = ""
    datacontenttype: str = "application/json"
    data: Raw = Raw(b"")
    data_base64: str | None = None


class Presence(Struct):
    """Whether the node is there, since when in milliseconds, and which start of it: the data of its state."""

    online: bool = False
    since: int = 0
    run: str = ""


class _Birth(Struct):
    data: Presence


def encode(
    type_: str, source: str, data: object, at: int, *, subject: str = "", id_: str = "", cause: str = ""
) -> bytes:
    """An event in structured mode. `at` in microseconds. Without an `id_` the same data get the same one."""
    body = msgspec.json.encode(data)
    digest = id_ or blake2b(b"\n".join((type_.encode(), subject.encode(), body)), digest_size=12).hexdigest()
    event = CloudEvent(
        specversion="1.0",
        type=f"{TYPE}{type_}.v1",
        source=source,
        id=digest,
        time=_time(at),
        subject=subject,
        cause=cause,
        datacontenttype="application/json",
        data=Raw(body),
    )
    return msgspec.json.encode(event)


def decode(payload: bytes, attributes: Sequence[tuple[str, str]] = ()) -> Said:
    """What a message says; `attributes` are the user properties of MQTT 5. `Rejected` when it can't be read."""
    if len(payload) > LIMIT:
        raise Rejected(f"{len(payload)} bytes are more than the {LIMIT} a message may have", 413)
    binary = dict(attributes)
    if "specversion" in binary:
        _check(binary["specversion"])
        return Said(payload, binary.get("id", "")[:128])
    if not payload.lstrip()[:1] == b"{":
        raise Rejected("this is no JSON object: a CloudEvent 1.0 in JSON is expected, or its data alone")
    try:
        event = msgspec.json.decode(payload, type=_Envelope)
    except _BAD_JSON as error:
        raise Rejected(f"this is no CloudEvent and no JSON object: {str(error)[:200]}") from None
    if event.specversion is None:
        return Said(payload)
    _check(event.specversion)
    if not bytes(event.data):
        raise Rejected("the event has no data; JSON is expected there, data_base64 is not read")
    return Said(bytes(event.data), event.id[:128])


def other(payload: bytes, run: str) -> Presence | None:
    """The state of a node that is there and is not this `run` of it."""
    try:
        event = msgspec.json.decode(payload, type=_Birth)
    except _BAD_JSON:
        return None
    return event.data if event.data.online and event.data.run != run else None


def read(said: Said, type_: type[Any]) -> Any:
    """The data as a struct; `Rejected` with the path of what does not fit."""
    try:
        return msgspec.json.decode(said.data, type=type_)
    except _BAD_JSON as error:
        raise Rejected(f"the data can't be read: {str(error)[:200]}") from None


def _check(version: str) -> None:
    if version != "1.0":
        raise Rejected(f"specversion {version[:16]!r} is not known: events here are CloudEvents 1.0")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
