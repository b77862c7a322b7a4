"""What a manifest declares and desires becomes the twin's, and what the cloud has confirmed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

import twins.announcements as told
from twins.instructions import Conflict, Instruction, Persist, Revision
from twins.property import Change, adopted
from twins.stimuli import Confirmed, Joined
from twins.values import Declared, Synced, Twin, Value


def adopt(twin: Twin, s: Joined, before: Mapping[str, Declared]) -> list[Instruction]:
    """Bring the properties in line with what the manifest declares and desires; `before` it declared this."""
    changes: dict[str, Change] = {}
    wanted: dict[str, str] = {}
    out: list[Instruction] = []
    for name, declared in s.properties.items():
        last = twin.properties.get(name)
        adoption = adopted(last, declared, before.get(name), s.seen, from_cloud=s.origin == "cloud")
        if adoption is None:
            continue
        current, merge = adoption
        twin.properties[name] = current
        if merge.conflict and s.origin == "cloud":
            edge = last.desired.value if last is not None and last.desired is not None else None
            out.append(Conflict(s.device, s.cause, name, edge, merge.value))
        if merge.winner == "cloud":
            changes[name] = Change(last if last is None or not last.deleted else None, current)
            if current.drifts and merge.value:
                wanted[name] = merge.value
    if changes:
        out.append(Revision(s.device, s.cause, changes, short=twin.short))
    return out + (told.delta(twin, s.cause) if wanted else []) + told.orders(twin, s.cause, wanted)


def confirm(twin: Twin, s: Confirmed) -> list[Instruction]:
    """The cloud has these versions."""
    for name, (reported, desired) in s.versions.items():
        p = twin.properties.get(name)
        if p is not None and _has(p.reported, reported) and _has(p.desired, desired):
            synced = Synced(max(p.synced.reported, reported), max(p.synced.desired, desired), p.synced.base, s.seen)
            twin.properties[name] = msgspec.structs.replace(p, synced=synced)
    return [Persist(s.device, s.cause)]


def _has(value: Value | None, edge: int) -> bool:
    """False for a version this twin never had: that of an earlier device of the same name."""
    return edge == 0 or (value is not None and value.version.edge >= edge)
