"""Clouds of KubeEdge's older protocol: members listed with their twins, and wishes sent one by one. Pure.

Today's clouds send a device's manifest, and its desired values are merged by `twins/merge.py`. The older ones send
`twin/cloud_updated` with a version pair: an older pair than ours, or none, loses, and the cloud hears ours again.
Reported values are the edge's alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import twins.announcements as told
from twins.errors import Rejected
from twins.instructions import Attributes, Instruction, Persist, Refuse, Revision
from twins.property import Change, checked, kind_after, size
from twins.stimuli import Admitted, Reply, Wish
from twins.values import PROPERTIES, TEXT, Declared, Property, Synced, Twin, Value, Version


def admit(twin: Twin, s: Admitted, *, strict: bool) -> list[Instruction]:
    """Take what a member's entry says of it. What it leaves out stays: clouds list their members again and again."""
    twin.description = s.description or twin.description
    twin.state = s.state or twin.state
    changed = {name: one for name, one in s.attributes.items() if twin.attributes.get(name) != one}
    twin.attributes = s.attributes or twin.attributes
    try:
        out = follow(twin, s.cause, s.seen, s.wishes, strict=strict)
    except Rejected as error:  # the device is a member all the same
        out = [Persist(s.device, s.cause), Refuse(s.device, s.cause, error.code, error.reason, Reply(), "")]
    return [*out, Attributes(s.device, s.cause, changed)] if changed else out


def follow(
    twin: Twin, cause: str, seen: int, wishes: Mapping[str, Wish], event: str = "", *, strict: bool
) -> list[Instruction]:
    """Take the wishes of a cloud, all or none. `Rejected` when a value does not fit."""
    followed: dict[str, Property] = {}
    changes: dict[str, Change] = {}
    gone: dict[str, Property | None] = {}
    for name, wish in wishes.items():
        last = twin.properties.get(name)
        current = wished(name, last, wish, twin.declared.get(name), seen, strict=strict)
        if current is None:
            continue
        followed[name] = current
        if current.deleted:
            gone[name] = last
        elif last is None or current.desired is not last.desired:
            differs = last is None or last.desired is None or last.desired.value != wish.desired
            changes[name] = Change(None if last is None or last.deleted else last, current, desired_changed=differs)
    _check_room(twin, followed)
    twin.properties.update(followed)
    revision = Revision(twin.device, cause, changes, gone, event, short=twin.short)
    return [revision, *told.asked_of(twin, cause, changes, always=strict)]


def _check_room(twin: Twin, followed: Mapping[str, Property]) -> None:
    """Raise `Rejected` for more properties, or longer values, than a twin may have."""
    after = {**twin.properties, **followed}
    if len(after) > max(PROPERTIES, len(twin.properties)):
        raise Rejected(f"{twin.device} would have {len(after)} properties, more than the {PROPERTIES} a twin may have")
    text = sum(map(size, after.values()))
    if text > TEXT and text > sum(map(size, twin.properties.values())):
        raise Rejected(f"the values of {twin.device} would have {text} characters, more than the {TEXT} of a twin")


def wished(
    name: str, last: Property | None, wish: Wish, declared: Declared | None, seen: int, *, strict: bool
) -> Property | None:
    """The property after a wish; `None` when the wish means nothing here, `Rejected` when its value does not fit."""
    if wish.kind == "deleted":
        return None if last is None or last.deleted else _removed(last, wish, seen)
    old = last.desired if last is not None else None
    if wish.desired is None or (wish.version is None and old is None):
        return None
    kind = kind_after(last, wish.kind, declared, strict)
    checked(name, kind, wish.desired, declared, strict)
    if wish.version is None or _older(wish.version, old):
        return None if last is None else _disputed(last)
    base = last if last is not None else Property()
    synced = Synced(base.synced.reported, wish.version.edge, wish.desired, base.synced.at)
    optional = wish.optional is not False and (base.deleted or base.optional)
    return Property(base.reported, Value(wish.desired, seen, wish.version), kind, optional, False, synced)


def _removed(last: Property, wish: Wish, seen: int) -> Property:
    """The tombstone a cloud asks for, with its versions; or what it does not know yet."""
    if _older(wish.version, last.desired) or _older(wish.reported_version, last.reported):
        return _disputed(last)
    reported = _cleared(last.reported, wish.reported_version, seen)
    desired = _cleared(last.desired, wish.version, seen)
    edges = (reported.version.edge if reported else 0, desired.version.edge if desired else 0)
    synced = Synced(*edges, last.synced.base, last.synced.at)
    return Property(reported, desired, "deleted", last.optional, True, synced)


def _cleared(value: Value | None, version: Version | None, seen: int) -> Value | None:
    return None if value is None else Value("", seen, version or value.version)


def _older(version: Version | None, than: Value | None) -> bool:
    if version is None or than is None:
        return False
    return version.cloud < than.version.cloud or version.edge < than.version.edge


def _disputed(last: Property) -> Property:
    """The same property, whose desired value the cloud has to hear again."""
    if last.desired is None:
        return last
    edge = min(last.synced.desired, last.desired.version.edge - 1)
    synced = Synced(last.synced.reported, edge, last.synced.base, last.synced.at)
    return Property(last.reported, last.desired, last.kind, last.optional, last.deleted, synced)
