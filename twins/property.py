"""How one property changes: pure functions from its last self and an edit to its next.

Versions follow KubeEdge: a local change adds one to the `edge` counter of the touched side, the two sides count
apart. In default mode an unchanged value keeps its version (KubeEdge's own counts it, and floods the cloud with it).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.errors import Rejected
from twins.kinds import VALUE_LIMIT, check_declared, kind_of, read
from twins.merge import Merge, merge_desired
from twins.stimuli import Edit
from twins.values import Declared, Property, Synced, Value, Version

Sides = Literal["reported", "desired", "both", "all", "none"]
WEEK_US = 7 * 24 * 3_600_000_000
MINUTE_US = 60_000_000
_NEW = Synced()
_FIRST = Version(1, 0)


class Change(Struct, frozen=True, gc=False):
    """One property that was touched: its last self, if it lived, and its current one.

    `sides` were touched. `at` is when the reported value was so at its source, `None` when none was reported;
    `number` is that value read by its kind, `None` when it is none.
    """

    last: Property | None
    current: Property
    reported_changed: bool = False
    desired_changed: bool = False
    sides: Sides = "all"
    at: int | None = None
    number: float | None = None


class Terms(Struct, frozen=True, gc=False):
    """What holds for all edits of one message, times in microseconds.

    It arrived at `seen`; `at` is the time at the source of values that have none of their own. With a `heartbeat` an
    unchanged value is one that the cloud lacks when it confirmed it so long ago.
    """

    seen: int
    at: int
    strict: bool = False
    heartbeat: int = 0
    withdraws: bool = False
    """An empty desired value takes back what was asked, whatever the kind: a person's way, no device's."""


def edited(name: str, last: Property | None, edit: Edit, declared: Declared | None, terms: Terms) -> Change | None:
    """The property after the edit; `None` when there is nothing to change. `Rejected` when a value does not fit."""
    strict, seen = terms.strict, terms.seen
    alive = last is not None and not last.deleted
    if last is not None and alive and edit.desired is None and not _retouched(last, edit, strict=strict):
        if edit.reported is None:
            return None
        if not strict and not edit.observed:
            return _reported(name, last, edit, declared, terms)
    kind = kind_after(last, edit.kind, declared, strict)
    reported = last.reported if last is not None else None
    desired = last.desired if last is not None else None
    number = None
    reported_changed = desired_changed = False
    if edit.reported is not None:
        number = checked(name, kind, edit.reported, declared, strict)
        reported_changed = not alive or strict or reported is None or reported.value != edit.reported
        reported = _next(reported, edit.reported, seen, counts=reported_changed)
    wanted = edit.desired
    if edit.observed and desired is None and (declared is None or declared.writable):
        wanted = edit.observed
    if wanted is not None:
        if wanted or not terms.withdraws:
            checked(name, kind, wanted, declared, strict)
        if declared is not None and not declared.writable and not strict:
            reason = f"{name} is read only in the device's model: nothing can be desired of it"
            raise Rejected(reason, 403)
        desired_changed = not alive or strict or desired is None or desired.value != wanted
        desired = _next(desired, wanted, seen, counts=desired_changed)
    optional = last.optional if alive and last is not None else True
    if edit.optional is False:  # KubeEdge: optional may go from true to false, never back
        optional = False
    synced = last.synced if last is not None else _NEW
    if terms.heartbeat and reported is not None and not reported_changed:
        synced = _aged(synced, reported, terms)
    current = Property(reported, desired, kind, optional, False, synced)
    sides, when = sides_of(edit, new=not alive), None if edit.reported is None else _when(edit, terms)
    return Change(last if alive else None, current, reported_changed, desired_changed, sides, when, number)


def _reported(name: str, last: Property, edit: Edit, declared: Declared | None, terms: Terms) -> Change:
    """A living property after a plain report: what nearly every message is made of. As `edited` would have it."""
    value, old, synced = edit.reported, last.reported, last.synced
    assert value is not None  # the caller's word
    kind = last.kind if declared is None else declared.kind
    number = checked(name, kind, value, declared, False)
    changed = old is None or old.value != value
    if old is None:
        version = _FIRST
    elif changed:
        version = Version(old.version.edge + 1, old.version.cloud)
    else:
        version = old.version
    reported = Value(value, terms.seen, version)
    if terms.heartbeat and not changed:
        synced = _aged(synced, reported, terms)
    current = Property(reported, last.desired, kind, last.optional, False, synced)
    return Change(last, current, changed, False, "reported", _when(edit, terms), number)


def adopted(
    last: Property | None, declared: Declared, before: Declared | None, seen: int, *, from_cloud: bool
) -> tuple[Property, Merge] | None:
    """The property after its manifest came, from the cloud or by hand; `None` when the manifest changes nothing.

    What counts is what the manifest changed: against `synced.base` for the cloud's, against the manifest `before` for
    one applied here. A tombstone stays one while nothing new is desired of it, and its versions go on.
    """
    if declared.desired is None and last is None:
        return None
    old = last if last is not None else Property(kind=declared.kind)
    edge = old.desired.value if old.desired is not None and old.desired.value else None
    base = old.synced.base if from_cloud else before.desired if before is not None else None
    merge = merge_desired(base, edge, declared.desired)
    if declared.withheld and edge != base:  # what somebody asked here holds; only the manifest's own value goes
        merge = Merge(edge, "edge")
    desired = old.desired
    if merge.winner == "cloud":
        v = old.desired.version if old.desired is not None else Version()
        told = v.edge or not from_cloud  # a cloud that heard of a value of the edge's hears of what took its place
        version = Version(v.edge + 1 if told else 0, v.cloud + from_cloud)
        desired = Value(merge.value or "", seen, version)
    agreed = declared.desired if from_cloud else old.synced.base
    synced = Synced(old.synced.reported, old.synced.desired, agreed, old.synced.at)
    gone = old.deleted and merge.winner != "cloud"
    current = Property(old.reported, desired, old.kind if gone else declared.kind, old.optional, gone, synced)
    return None if current == last else (current, merge)


def size(p: Property) -> int:
    """Characters of its values."""
    return sum(len(side.value) for side in (p.reported, p.desired) if side is not None)


def deleted(last: Property, seen: int) -> Property:
    """The tombstone of a property: its values are gone, its versions stay and count on."""
    return Property(
        reported=_next(last.reported, "", seen, counts=True),
        desired=_next(last.desired, "", seen, counts=True) if last.desired is not None else None,
        kind="deleted",
        optional=last.optional,
        deleted=True,
        synced=last.synced,
    )


def kind_after(last: Property | None, said: str | None, declared: Declared | None, strict: bool) -> str:
    """The kind of a property of which a message says `said`."""
    if declared is not None:
        return declared.kind
    if last is not None and not last.deleted:
        return last.kind  # a living property keeps its type whatever the message says
    return kind_of(said or "", strict=strict)


def checked(name: str, kind: str, value: str, declared: Declared | None, strict: bool) -> float | None:
    """The number that a value stands for; `Rejected` when it does not fit the kind or the device's model."""
    if len(value) > VALUE_LIMIT:
        reason = f"the value of {name} has {len(value)} characters, more than the {VALUE_LIMIT} allowed"
        raise Rejected(reason)
    number = read(kind, value, strict)
    if declared is not None:
        check_declared(name, declared, number)
    return number


def _when(edit: Edit, terms: Terms) -> int:
    return terms.at if edit.at is None else source_time(edit.at, terms.seen)


def _aged(synced: Synced, reported: Value, terms: Terms) -> Synced:
    """What the cloud has, but for an unchanged value that it confirmed too long ago."""
    if synced.at and terms.seen - synced.at >= terms.heartbeat:
        return Synced(reported.version.edge - 1, synced.desired, synced.base, synced.at)
    return synced


def source_time(at: int, seen: int) -> int:
    """The source's own time when it is plausible (a week back, a minute ahead), else that of arrival."""
    return at if seen - WEEK_US <= at <= seen + MINUTE_US else seen


def sides_of(edit: Edit, *, new: bool) -> Sides:
    """Which sides an edit touches; of a `new` property KubeEdge hides those that are empty."""
    reported, desired = edit.reported, edit.observed or edit.desired
    if desired is None or (new and not desired):
        return "none" if reported is None or (new and not reported) else "reported"
    return "desired" if reported is None or (new and not reported) else "both"


def _retouched(last: Property, edit: Edit, *, strict: bool) -> bool:
    """True for an edit without values that changes a living property all the same; a type alone counts for KubeEdge."""
    return (edit.optional is False and last.optional) or (strict and edit.kind is not None)


def _next(last: Value | None, value: str, seen: int, *, counts: bool) -> Value:
    if last is None:
        return Value(value, seen, _FIRST)
    if not counts:
        return Value(value, seen, last.version)
    return Value(value, seen, Version(last.version.edge + 1, last.version.cloud))
