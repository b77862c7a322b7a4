"""What a cloud desires in messages of its own, without a manifest: merged property by property. Pure.

Every request has a version that grows. A property takes what is newer than what it has taken; so the same message
again, or an older one that comes late, changes nothing, and in whatever order messages come the result is the same.
A newer value passes the table of `twins/merge.py`: `base` is what the edge desired if the cloud has confirmed that,
else what the cloud desired last.
"""

from __future__ import annotations

import twins.announcements as told
from twins.errors import Rejected
from twins.exchange import Verdict
from twins.instructions import Conflict, Instruction, Persist, Revision, Verdicts
from twins.merge import Merge, merge_desired
from twins.property import Change, checked, kind_after, size
from twins.schema import nearest
from twins.stimuli import Requested
from twins.values import PROPERTIES, TEXT, Property, Synced, Twin, Value, Version

NAME = 128
"""Characters of a property's name."""
HINTS = 3
"""Refused names for which the nearest valid one is told."""
KNOWN = Verdict("known")


def request(twin: Twin, s: Requested) -> list[Instruction]:
    """Take of a request what fits; what does not is refused property by property."""
    taking = _Taking(twin, s)
    for name, value in {**_absent(twin, s), **s.desired}.items():
        verdict = taking.take(name, value)
        if name in s.desired or verdict.outcome in {"accepted", "kept"}:
            taking.verdicts[name] = verdict
    if s.whole:
        twin.wished = max(twin.wished, s.version)
    changes, wanted = taking.changes, taking.wanted
    out: list[Instruction] = list(taking.conflicts)
    out.append(Revision(s.device, s.cause, changes, short=twin.short) if changes else Persist(s.device, s.cause))
    out += (told.delta(twin, s.cause) if wanted else []) + told.orders(twin, s.cause, wanted)
    return [*out, Verdicts(s.device, s.cause, taking.verdicts)]


class _Taking:
    """One request on its way into a twin, and what follows from it."""

    def __init__(self, twin: Twin, s: Requested) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.changes: dict[str, Change] = {}
        self.wanted: dict[str, str] = {}
        self.conflicts: list[Conflict] = []
        self._twin = twin
        self._request = s
        self._text = sum(map(size, twin.properties.values()))
        self._hints = HINTS

    def take(self, name: str, value: str | None) -> Verdict:
        """What becomes of one property."""
        twin, s = self._twin, self._request
        last = twin.properties.get(name)
        try:
            old = _old(twin, last, s.version, value)
            if old is not None:
                return old
            self._check(name, last, value)
        except Rejected as error:
            return Verdict("refused", reason=error.reason, code=error.code)
        merge, current = _merged(last, value, kind_after(last, None, twin.declared.get(name), False), s)
        twin.properties[name] = current
        self._text += size(current) - (0 if last is None else size(last))
        if merge.winner == "cloud":
            self.changes[name] = Change(None if last is None or last.deleted else last, current)
            if current.drifts and merge.value:
                self.wanted[name] = merge.value
        if merge.conflict:
            self.conflicts.append(Conflict(s.device, s.cause, name, _asked(last), merge.value))
        return Verdict("kept" if merge.winner == "edge" else "accepted", merge.value)

    def _check(self, name: str, last: Property | None, value: str | None) -> None:
        """Raise `Rejected` when the twin can't have such a property, or nothing such can be desired of it."""
        twin = self._twin
        declared = twin.declared.get(name)
        if last is None:
            self._check_name(name)
        if value is None:
            return
        if declared is not None and not declared.writable:
            raise Rejected(f"{name} is read only in the device's model: nothing can be desired of it", 403)
        checked(name, kind_after(last, None, declared, False), value, declared, False)
        text = self._text + len(value) - len(_asked(last) or "")
        if text > TEXT:
            raise Rejected(f"the values of {twin.device} would have {text} characters, more than a twin's {TEXT}")

    def _check_name(self, name: str) -> None:
        twin = self._twin
        if twin.declared and name not in twin.declared:
            self._hints -= 1  # to look for the nearest of many names takes milliseconds
            hint = f": {nearest(name[:NAME], twin.declared)}" if self._hints >= 0 else ""
            raise Rejected(f"{twin.device} has no property {name[:NAME]}{hint}", 404)
        if not 0 < len(name) <= NAME or not name.isprintable():
            raise Rejected(f"{name[:NAME]!r} is no name of a property: 1 to {NAME} printable characters are")
        if len(twin.properties) >= PROPERTIES:
            raise Rejected(f"{twin.device} has {PROPERTIES} properties already, as many as a twin may have")


def _absent(twin: Twin, s: Requested) -> dict[str, str | None]:
    """What a whole request desires no more by leaving it out: what both sides agreed on."""
    return {name: None for name, p in twin.properties.items() if _base(p) is not None} if s.whole else {}


def _old(twin: Twin, last: Property | None, version: int, value: str | None) -> Verdict | None:
    """What to say of a request that is not newer than what was taken; `None` when it is newer."""
    taken = last.desired.version.cloud if last is not None and last.desired is not None else 0
    if last is not None and version == taken:
        if last.synced.base == value:
            return KNOWN
        raise Rejected(f"version {version} has brought another value already: a change needs a larger one", 409)
    newest = max(taken, twin.wished)
    if version < newest:
        return Verdict("stale", _asked(last), f"version {newest} was taken already")
    return None


def _merged(last: Property | None, value: str | None, kind: str, s: Requested) -> tuple[Merge, Property]:
    """The property after a newer request."""
    old = Property(deleted=True) if last is None else last  # of what is not there nothing may be desired, and noted
    merge = merge_desired(_base(old), _asked(old), value)
    desired = old.desired or Value("", s.seen, Version())
    if merge.winner == "cloud":
        edge = desired.version.edge and desired.version.edge + 1  # a cloud that heard of one hears of the next
        desired = Value(merge.value or "", s.seen, Version(edge, s.version))
    else:
        desired = Value(desired.value, desired.at, Version(desired.version.edge, s.version))
    gone = old.deleted and not (merge.winner == "cloud" and merge.value)
    synced = Synced(old.synced.reported, old.synced.desired, value, old.synced.at)
    return merge, Property(old.reported, desired, "deleted" if gone else kind, old.optional, gone, synced)


def _asked(p: Property | None) -> str | None:
    """What is desired of it; empty is nothing."""
    return (p.desired.value or None) if p is not None and p.desired is not None else None


def _base(p: Property) -> str | None:
    """The value both sides agreed on last."""
    desired = p.desired
    if desired is not None and 0 < desired.version.edge <= p.synced.desired:
        return desired.value or None
    return p.synced.base
