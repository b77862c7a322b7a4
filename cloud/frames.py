"""CloudHub's frames, sans-IO: text frame -> message, and what we say -> bytes.

A message is one JSON text frame `{"header": …, "route": …, "content": …}`. Its content is an object, or a string
that holds JSON, or base64 of JSON (Go's `[]byte`): all three are understood.
"""

from __future__ import annotations

import base64
import re

import msgspec
from msgspec import Raw, Struct

from cloud.messages import (
    Answered,
    Incoming,
    Member,
    Members,
    Object,
    Operation,
    Other,
    Ping,
    Routed,
    TwinUpdate,
    Wanted,
)
from twins.errors import Rejected

_CHANGES: tuple[Operation, ...] = ("insert", "update", "delete")
_WANTED: tuple[Wanted, ...] = ("subscribe", "unsubscribe", "publish")
MAX_FRAME = 16 << 20
"""Bytes; etcd keeps no object beyond 1.5 MiB."""
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of JSON that can't be read: the last two of bad text, and of what is nested too deeply."""


class _Header(Struct, omit_defaults=True):
    msg_id: str = ""
    parent_msg_id: str = ""
    timestamp: int = 0
    resourceversion: str = ""
    sync: bool = False


class _Route(Struct, omit_defaults=True):
    source: str = ""
    group: str = ""
    operation: str = ""
    resource: str = ""


class _Frame(Struct):
    header: _Header
    route: _Route
    content: Raw = Raw(b"null")


class _Membership(Struct):
    added_devices: tuple[Member, ...] | None = None
    removed_devices: tuple[Member, ...] | None = None
    devices: tuple[Member, ...] | None = None


_frames = msgspec.json.Decoder(_Frame)
_CLOUD_UPDATED = re.compile("device/(.+)/twin/cloud_updated")
_memberships = msgspec.json.Decoder(_Membership)
_strings = msgspec.json.Decoder(str)


def decode(data: str | bytes) -> Incoming:
    """Read one frame; raise `Rejected` when it is no message of CloudHub's."""
    try:
        return _sorted(_frame(data))
    except UNREADABLE as error:
        reason = f"a frame from the cloud is not a message: {error}"
        raise Rejected(reason) from error


def keepalive(id: str, at_ms: int) -> bytes:  # noqa: A002 - the protocol's own word
    """Our sign of life."""
    return _encode(id, at_ms, _Route("websocket", "resource", "keepalive", "node"), Raw(b'"ping"'))


def acknowledge(taken: Object, id: str, at_ms: int) -> bytes:  # noqa: A002
    """We have the object on disk (or no use for it)."""
    route = _Route(taken.source, "resource", "response", taken.resource)
    return _encode(id, at_ms, route, Raw(b'"OK"'), parent=taken.id)


def pong(ping: Ping, id: str, at_ms: int) -> bytes:  # noqa: A002
    """Answer the transport's question."""
    return _encode(id, at_ms, _Route(operation="response", resource=ping.resource), Raw(b'"ack"'), parent=ping.id)


def detail(node: str, id: str, at_ms: int) -> bytes:  # noqa: A002
    """Ask for the whole membership. Today's clouds never answer; it is asked once a connection, as KubeEdge does."""
    asked = {
        "event_type": "group_membership_event",
        "event_id": id,
        "group_id": node,
        "operation": "detail",
        "timestamp": at_ms,
    }
    content = msgspec.json.encode(msgspec.json.encode(asked).decode())
    return _encode(id, at_ms, _Route("twin", "resource", "get", "membership/detail"), Raw(content))


def twin_report(device: str, content: bytes, id: str, at_ms: int) -> bytes:  # noqa: A002
    """What a device's twin is at the edge; `content` is a DeviceTwinUpdate."""
    route = _Route("twin", "resource", "update", f"device/{device}/twin/edge_updated")
    return _encode(id, at_ms, route, Raw(content))


def state_report(device: str, content: bytes, id: str, at_ms: int) -> bytes:  # noqa: A002
    """The state of a device; KubeEdge sends this content as a string."""
    route = _Route("twin", "resource", "update", f"device/{device}/state/update")
    return _encode(id, at_ms, route, Raw(msgspec.json.encode(content.decode())))


def upload(topic: str, payload: bytes, id: str, at_ms: int) -> bytes:  # noqa: A002
    """A custom message for the rule router. As in KubeEdge it is text: what is no UTF-8 is replaced."""
    content = Raw(msgspec.json.encode(payload.decode(errors="replace")))
    return _encode(id, at_ms, _Route("bus", "user", "upload", topic), content)


def ping(id: str, at_ms: int) -> bytes:  # noqa: A002
    """Ask the transport whether it lives: it answers when it has handed on all that was sent before."""
    return _encode(id, at_ms, _Route("websocket", "resource", "ping", "node"), Raw(b'"ping"'))


def request(operation: str, resource: str, content: object, id: str, at_ms: int) -> bytes:  # noqa: A002
    """Ask for something of the node's own in the API: its Node, status, lease. It is answered."""
    route = _Route("edged", "meta", operation, resource)
    header = _Header(id, timestamp=at_ms, sync=True)
    return msgspec.json.encode(_Frame(header, route, Raw(msgspec.json.encode(content)))) + b"\n"


def _frame(data: str | bytes) -> _Frame:
    """A content that is nested too deeply is left out: an object has to be acknowledged whatever it holds."""
    try:
        return _frames.decode(data)
    except RecursionError:
        text = data if isinstance(data, str) else data.decode()
        return _frames.decode(text.partition(',"content":')[0] + "}")


def _sorted(frame: _Frame) -> Incoming:
    header, route = frame.header, frame.route
    if header.parent_msg_id:
        return Answered(header.parent_msg_id, route.operation != "error", bytes(frame.content))
    if route.operation in ("ping", "pong", "config"):
        return Ping(header.msg_id, route.resource)
    if route.group == "twin" and route.resource in ("membership", "membership/detail"):
        return _members(frame.content)
    if route.group == "twin" and (match := _CLOUD_UPDATED.fullmatch(route.resource)):
        device = match[1] if "/" in match[1] else f"default/{match[1]}"
        return TwinUpdate(device, _content(frame.content))
    if route.group == "resource":
        for operation in _CHANGES:
            if route.operation == operation:
                return _object(frame, operation)
    if route.group == "user":
        for wanted in _WANTED:
            if route.operation == wanted:
                return Routed(wanted, route.resource, _payload(frame.content))
    return Other(f"{route.group}/{route.operation} {route.resource}")


def _encode(id: str, at_ms: int, route: _Route, content: Raw, *, parent: str = "") -> bytes:  # noqa: A002
    return msgspec.json.encode(_Frame(_Header(id, parent, at_ms), route, content)) + b"\n"


def _object(frame: _Frame, operation: Operation) -> Object:
    route = frame.route
    parts = route.resource.split("/", 2)
    namespace, kind, name = parts if len(parts) == 3 else ("", "", route.resource)
    version, content = frame.header.resourceversion, _content(frame.content)
    return Object(frame.header.msg_id, route.source, operation, route.resource, namespace, kind, name, version, content)


def _members(content: Raw) -> Members:
    try:
        said = _memberships.decode(_content(content))
    except UNREADABLE as error:
        reason = f"a membership message from the cloud cannot be read: {error}"
        raise Rejected(reason) from error
    whole = said.devices is not None
    return Members((said.added_devices or ()) + (said.devices or ()), said.removed_devices or (), whole)


def _payload(raw: Raw) -> bytes:
    """What to publish: the text, or the JSON of what is none."""
    data = bytes(raw)
    if data.startswith(b'"'):
        return _strings.decode(data).encode(errors="replace")
    return b"" if data == b"null" else data


def _content(raw: Raw) -> bytes:
    """The JSON inside, whichever way it was wrapped."""
    data = bytes(raw)
    if not data.startswith(b'"'):
        return data
    text = _strings.decode(data)
    if text[:1] in ("{", "["):
        return text.encode()
    try:
        inner = base64.b64decode(text, validate=True)
    except ValueError:  # text that is no base64
        return data
    return inner if inner[:1] in (b"{", b"[") else data
