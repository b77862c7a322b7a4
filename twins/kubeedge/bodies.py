"""JSON bodies with EdgeCore's keys, and what of a property each of them shows."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType

from twins.instructions import Member
from twins.kinds import KINDS
from twins.property import Sides
from twins.values import Attribute, Property, Value


class _Stamp(Struct, gc=False):
    timestamp: int


class _Side(Struct, gc=False):
    value: str
    metadata: _Stamp


class _Type(Struct, frozen=True, gc=False):
    type: str


class TwinBody(Struct, gc=False):
    expected: _Side | UnsetType = UNSET
    actual: _Side | UnsetType = UNSET
    optional: bool = True
    metadata: _Type = _Type("string")


class ResultBody(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, TwinBody | None]


class DeltaBody(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, TwinBody]
    delta: dict[str, str]


class ChangeBody(Struct, gc=False):
    last: TwinBody | None
    current: TwinBody | None


class DocumentBody(Struct, gc=False):
    event_id: str
    timestamp: int
    twin: dict[str, ChangeBody]


class ErrorBody(Struct, gc=False):
    event_id: str
    timestamp: int
    code: int
    reason: str


class AttributeBody(Struct, gc=False):
    value: str
    optional: bool | UnsetType = UNSET
    metadata: _Type | UnsetType = UNSET


class AttributesBody(Struct, gc=False):
    event_id: str
    timestamp: int
    attributes: dict[str, AttributeBody]


class DeviceBody(Struct, gc=False, omit_defaults=True):
    id: str = ""
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    attributes: dict[str, AttributeBody] = {}
    twin: dict[str, TwinBody] = {}


class MembershipBody(Struct, gc=False):
    event_id: str
    timestamp: int
    added_devices: list[DeviceBody] | None
    removed_devices: list[DeviceBody] | None


class RosterBody(Struct, gc=False):
    event_id: str
    timestamp: int
    devices: list[DeviceBody]


class StateDevice(Struct, gc=False):
    name: str
    state: str
    lastOnlineTime: str | UnsetType = UNSET  # noqa: N815 - KubeEdge's word


class StateBody(Struct, gc=False):
    event_id: str
    timestamp: int
    device: StateDevice


_types = {kind: _Type(kind) for kind in KINDS}
_NOT_DESIRED = frozenset({"reported", "none"})
_NOT_REPORTED = frozenset({"desired", "none"})


def rfc3339(at: int) -> str:
    """A time (microseconds UTC) in whole seconds, as Go prints it."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def device_of(member: Member) -> DeviceBody:
    """A member without its twin."""
    online = rfc3339(member.last_online) if member.last_online else ""
    attributes = {name: attribute_of(one) for name, one in member.attributes.items()}
    name = member.device.partition("/")[2]
    return DeviceBody(member.device, name, member.description, member.state, online, attributes)


def attribute_of(one: Attribute) -> AttributeBody:
    """An attribute with what was said of it, no more."""
    optional = UNSET if one.optional is None else one.optional
    return AttributeBody(one.value, optional, UNSET if one.kind is None else _type(one.kind))


def _side(value: Value) -> _Side:
    return _Side(value.value, _Stamp(value.at // 1000))


def _type(kind: str) -> _Type:
    return _types.get(kind) or _Type(kind)


def shown(p: Property, before: Property | None = None) -> TwinBody:
    """A property as a reader sees it. An empty side is hidden, unless the change from `before` emptied it.

    Written out: it runs for every value of every message.
    """
    reported, desired = p.reported, p.desired
    return TwinBody(
        UNSET
        if desired is None or (not desired.value and (before is None or desired is before.desired))
        else _Side(desired.value, _Stamp(desired.at // 1000)),
        UNSET
        if reported is None or (not reported.value and (before is None or reported is before.reported))
        else _Side(reported.value, _Stamp(reported.at // 1000)),
        p.optional,
        _types.get(p.kind) or _type(p.kind),
    )


def touched(p: Property, sides: Sides, shown: TwinBody) -> TwinBody:
    """As `parts`; `shown` is all of it, which for most reports is the same."""
    if sides == "reported" and shown.expected is UNSET and shown.actual is not UNSET:
        return shown
    return parts(p, sides)


def parts(p: Property, sides: Sides) -> TwinBody:
    """A property as the answer to an update shows it: only the sides that were touched."""
    expected = UNSET if sides in _NOT_DESIRED or p.desired is None else _side(p.desired)
    actual = UNSET if sides in _NOT_REPORTED or p.reported is None else _side(p.reported)
    return TwinBody(expected, actual, p.optional, _type(p.kind))
