"""The twins of all devices of this node: the state is changed by `Twins.handle` alone.

Theory of operation. One stimulus at a time, in the order of the log; each returns the instructions that follow from it,
to be carried out after its commit. An update changes all of its properties or none. A message that was stored before
(known by its digest, see `Updated.seq`) is answered again and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import msgspec

from twins.digests import Digests
from twins.errors import Rejected
from twins.instructions import (
    Actuate,
    Answer,
    Conflict,
    Delta,
    Document,
    Fact,
    Forget,
    Instruction,
    Membership,
    Persist,
    Refuse,
    Remember,
    Roster,
    Sides,
    StateAnswer,
)
from twins.property import Change, adopted, deleted, edited
from twins.stimuli import (
    Asked,
    Confirmed,
    Edit,
    Inferred,
    Joined,
    Left,
    Listed,
    Refused,
    Reply,
    Seen,
    Stimulus,
    Updated,
)
from twins.values import Property, Synced, Twin

UNKNOWN_DEVICE = "update rejected due to the device is not existed"
SEEN_LIMIT = 100_000
STATES = frozenset({"online", "offline", "ok", "unknown", "unhealthy"})
TEXT = frozenset({"string", "bytes", "stream"})
HOUR_US = 3_600_000_000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Twin).decode


class Twins:
    """All twins of the node. `strict` answers as EdgeCore does where EdgeCore is merely odd."""

    def __init__(self, *, strict: bool = False, enrols: bool = False) -> None:
        self._strict = strict
        self._enrols = enrols
        self._twins: dict[str, Twin] = {}
        self._known = Digests(SEEN_LIMIT)
        self._handlers: dict[type[Stimulus], Callable[[Any], list[Instruction]]] = {
            Updated: self._update,
            Asked: self._ask,
            Seen: self._see,
            Listed: self._list,
            Joined: self._join,
            Left: self._leave,
            Inferred: self._infer,
            Refused: self._refuse,
            Confirmed: self._confirm,
        }

    def handle(self, stimulus: Stimulus) -> list[Instruction]:
        """Take one stimulus and say what follows from it. Never raises for bad input: that is refused."""
        return self._handlers[type(stimulus)](stimulus)

    def get(self, device: str) -> Twin | None:
        """The live twin, for reading only and only between two stimuli."""
        return self._twins.get(device)

    def __iter__(self) -> Iterator[Twin]:
        return iter(self._twins.values())

    def __len__(self) -> int:
        return len(self._twins)

    def encoded(self, device: str) -> bytes | None:
        """The twin as it is written to disk, `None` when the device is gone."""
        twin = self._twins.get(device)
        return None if twin is None else _encode(twin)

    def restore(self, twins: Iterable[bytes], seen: Iterable[int]) -> None:
        """Take up what the journal kept."""
        for body in twins:
            twin = _decode(body)
            self._twins[twin.device] = twin
        self._known.update(seen)

    # -- stimuli ---------------------------------------------------------------------------------------------------

    def _update(self, s: Updated) -> list[Instruction]:
        twin = self._twins.get(s.device)
        out: list[Instruction] = []
        if twin is None:
            if not self._enrols or s.origin != "device":  # nobody but a device itself says that it exists
                return self._refusal(s, 404, UNKNOWN_DEVICE)
            out += self._join(Joined(s.device, s.cause, s.seen, {}, description="enrolled by its first message"))
            twin = self._twins[s.device]
        if s.seq and s.repeats and s.seq in self._known:
            return out + self._again(twin, s)
        try:
            changes, gone = self._changes(twin, s)
        except Rejected as error:
            return out + self._refusal(s, error.code, error.reason)
        self._commit(twin, changes, gone, s.seen)
        if s.seq:
            out.append(Remember(s.device, s.cause, s.seq))
            self._known.add(s.seq)
        out.append(Persist(s.device, s.cause))
        out += self._facts(s, changes)
        out += self._published(twin, s, changes, gone)
        return out

    def _ask(self, s: Asked) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is None:
            reason = f"Device {s.device} not found while getting twin"
            return [Refuse(s.device, s.cause, 404, reason, s.reply, "twin/get")]
        living = {name: p for name, p in twin.properties.items() if not p.deleted}
        return [Answer(s.device, s.cause, "get", s.reply, cast("dict[str, Property | None]", living), {})]

    def _see(self, s: Seen) -> list[Instruction]:
        reply = s.reply
        twin = self._twins.get(s.device)
        state = s.state
        if twin is None:
            refusal = Refuse(s.device, s.cause, 404, UNKNOWN_DEVICE, reply or Reply(), "state/update")
            return [] if reply is None or self._strict else [refusal]
        if state.lower() == "disconnected" and not self._strict:
            state = "offline"
        if state.lower() not in STATES:
            reason = f"the state {state[:64]!r} is not one of {', '.join(sorted(STATES))}"
            refusal = Refuse(s.device, s.cause, 400, reason, reply or Reply(), "state/update")
            return [] if reply is None or self._strict else [refusal]
        changed = state != twin.state
        twin.state = state
        twin.seen = s.seen
        if state.lower() in {"online", "ok"}:
            twin.last_online = s.seen
        elif self._strict:
            twin.last_online = 0
        out: list[Instruction] = [
            Persist(s.device, s.cause),
            Fact(s.device, s.cause, "state", state, None, s.seen, 0, changed),
        ]
        if reply is not None:
            shown = twin.last_online if state.lower() in {"online", "ok"} else 0
            out.append(StateAnswer(s.device, s.cause, reply, state, shown))
        return out

    def _list(self, s: Listed) -> list[Instruction]:
        members = tuple((t.device, t.description, t.state, t.last_online) for t in self._twins.values())
        return [Roster("", s.cause, s.reply, members)]

    def _join(self, s: Joined) -> list[Instruction]:
        twin = self._twins.get(s.device)
        out: list[Instruction] = []
        if twin is None:
            twin = self._twins[s.device] = Twin(s.device, joined=s.seen)
            out.append(Membership(s.device, s.cause, True, s.description))
        twin.description = s.description or twin.description
        twin.model = s.model or twin.model
        twin.declared = dict(s.properties)
        out.append(Persist(s.device, s.cause))
        return out + self._adopt(twin, s)

    def _adopt(self, twin: Twin, s: Joined) -> list[Instruction]:
        """Bring the properties in line with what the manifest declares and desires."""
        shown: dict[str, tuple[Property | None, Property | None]] = {}
        wanted: dict[str, str] = {}
        out: list[Instruction] = []
        for name, declared in s.properties.items():
            last = twin.properties.get(name)
            adoption = adopted(last, declared, s.seen, from_cloud=s.origin == "cloud")
            if adoption is None:
                continue
            current, merge = adoption
            twin.properties[name] = current
            if merge.conflict:
                edge = last.desired.value if last is not None and last.desired is not None else None
                out.append(Conflict(s.device, s.cause, name, edge, merge.value))
            if merge.winner == "cloud":
                shown[name] = (last if last is None or not last.deleted else None, current)
                if current.drifts and merge.value:
                    wanted[name] = merge.value
        if shown:
            out.append(Document(s.device, s.cause, "", shown))
        return out + self._wanted(twin, s.cause, wanted)

    def _leave(self, s: Left) -> list[Instruction]:
        if self._twins.pop(s.device, None) is None:
            return []
        return [Forget(s.device, s.cause), Membership(s.device, s.cause, False)]

    def _infer(self, s: Inferred) -> list[Instruction]:
        edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in s.values.items()}
        return self._update(Updated(s.device, s.cause, s.seen, edits, s.at, s.seq))

    def _refuse(self, s: Refused) -> list[Instruction]:
        return [Refuse(s.device, s.cause, s.code, s.reason, s.reply, s.topic)]

    def _confirm(self, s: Confirmed) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is None:
            return []
        for name, (reported, desired) in s.versions.items():
            p = twin.properties.get(name)
            if p is not None:
                synced = Synced(max(p.synced.reported, reported), max(p.synced.desired, desired), p.synced.base)
                twin.properties[name] = msgspec.structs.replace(p, synced=synced)
        return [Persist(s.device, s.cause)]

    # -- parts of an update ----------------------------------------------------------------------------------------

    def _changes(self, twin: Twin, s: Updated) -> tuple[dict[str, Change], dict[str, Property]]:
        changes: dict[str, Change] = {}
        gone: dict[str, Property] = {}
        for name, edit in s.edits.items():
            last = twin.properties.get(name)
            if edit is not None:
                change = edited(name, last, edit, twin.declared.get(name), s.seen, strict=self._strict)
                if change is not None:
                    changes[name] = change
            elif last is not None and not last.deleted:
                if last.optional:
                    gone[name] = last
                elif not self._strict:
                    reason = f"{name} is not optional: it can't be deleted"
                    raise Rejected(reason, 409)
        return changes, gone

    def _commit(self, twin: Twin, changes: dict[str, Change], gone: dict[str, Property], seen: int) -> None:
        properties = twin.properties
        for name, change in changes.items():
            properties[name] = change.current
        for name, last in gone.items():
            properties[name] = deleted(last, seen)
        twin.seen = seen

    def _facts(self, s: Updated, changes: dict[str, Change]) -> list[Instruction]:
        at = source_time(s.at, s.seen)
        out: list[Instruction] = []
        for name, edit in s.edits.items():
            if edit is None or edit.reported is None or name not in changes:
                continue
            change = changes[name]
            when = at if edit.at is None else source_time(edit.at, s.seen)
            text = change.current.kind in TEXT
            number, changed = change.number, change.reported_changed
            out.append(Fact(s.device, s.cause, name, edit.reported, number, when, s.seq, changed, text))
        return out

    def _published(
        self, twin: Twin, s: Updated, changes: dict[str, Change], gone: dict[str, Property]
    ) -> list[Instruction]:
        out: list[Instruction] = []
        if s.reply is not None:
            shown: dict[str, Property | None] = {name: c.current for name, c in changes.items()}
            shown.update(dict.fromkeys(gone))
            out.append(Answer(s.device, s.cause, "update", s.reply, shown, touched(s, changes)))
        if changes or gone:
            document: dict[str, tuple[Property | None, Property | None]] = {
                name: (c.last, c.current) for name, c in changes.items()
            }
            document.update({name: (last, None) for name, last in gone.items()})
            out.append(Document(s.device, s.cause, s.reply.event if s.reply else "", document))
        if not s.edits:  # an empty update asks for the delta again
            return out + self._delta(twin, s.cause)
        return out + self._asked_of(twin, s.cause, changes)

    def _asked_of(self, twin: Twin, cause: str, changes: dict[str, Change]) -> list[Instruction]:
        """The delta, once per change: when something new is asked, or when a device leaves what was asked."""
        wanted: dict[str, str] = {}
        left = False
        for name, c in changes.items():
            if not c.current.drifts or c.current.desired is None:
                continue
            if c.desired_changed:
                wanted[name] = c.current.desired.value
            elif c.last is not None and not c.last.drifts:
                left = True
        return self._wanted(twin, cause, wanted, tell=left or self._strict)

    def _wanted(self, twin: Twin, cause: str, wanted: dict[str, str], *, tell: bool = False) -> list[Instruction]:
        out: list[Instruction] = []
        if wanted or tell:
            out += self._delta(twin, cause)
        if wanted:
            out.append(Actuate(twin.device, cause, wanted))
        return out

    def _delta(self, twin: Twin, cause: str) -> list[Instruction]:
        asked = {n: p for n, p in twin.properties.items() if not p.deleted and p.desired and p.desired.value}
        if not any(p.drifts for p in asked.values()):
            return []
        return [Delta(twin.device, cause, asked)]

    def open_deltas(self) -> list[Instruction]:
        """The delta of every device that has one, to be told again after a broker was away."""
        return [d for twin in self._twins.values() for d in self._delta(twin, "link")]

    def _again(self, twin: Twin, s: Updated) -> list[Instruction]:
        if s.reply is None:
            return []
        shown = {n: twin.properties.get(n) for n in s.edits}
        shown = {n: None if p is None or p.deleted else p for n, p in shown.items()}
        sides = {n: side_of(e) for n, e in s.edits.items() if e is not None}
        return [Answer(s.device, s.cause, "update", s.reply, shown, sides)]

    def _refusal(self, s: Updated, code: int, reason: str) -> list[Instruction]:
        return [Refuse(s.device, s.cause, code, reason, s.reply or Reply(), "twin/update" if s.reply else "")]


def source_time(at: int, seen: int) -> int:
    """The source's own time when it is plausible (a week back, a minute ahead), else that of arrival."""
    return at if seen - 168 * HOUR_US <= at <= seen + HOUR_US // 60 else seen


def side_of(edit: Edit) -> Sides:
    """Which sides an edit touches."""
    if edit.reported is not None:
        return "both" if edit.desired is not None else "reported"
    return "desired"


def touched(s: Updated, changes: dict[str, Change]) -> dict[str, Sides]:
    """Per changed property the sides that its edit touched."""
    return {name: side_of(edit) for name, edit in s.edits.items() if edit is not None and name in changes}
