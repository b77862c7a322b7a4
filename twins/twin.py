"""The twins of all devices of this node: the state is changed by `Twins.handle` alone.

Theory of operation. One stimulus at a time, in the order of the log; each returns the instructions that follow from it,
to be carried out after its commit. An update changes all of its properties or none. A message that was stored before
(known by its digest, see `Updated.seq`) is answered again and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

import twins.announcements as told
from twins import edits, legacy, requests, signs
from twins.adoption import adopt, confirm
from twins.digests import Digests
from twins.errors import Rejected
from twins.instructions import (
    Answer,
    Forget,
    Instruction,
    Member,
    Membership,
    Persist,
    Refuse,
    Revision,
    Roster,
)
from twins.stimuli import (
    Admitted,
    Asked,
    Confirmed,
    Edit,
    Enumerated,
    Inferred,
    Joined,
    Left,
    Listed,
    Missed,
    Refused,
    Reply,
    Requested,
    Seen,
    Stimulus,
    Synchronised,
    Updated,
)
from twins.values import NAME_RULE, Property, Twin, is_name

UNKNOWN_DEVICE = "update rejected due to the device is not existed"
ENROLLED = 10_000
"""Devices beyond which none joins by itself."""
SEEN_LIMIT = 100_000
RECENT = 2048
"""Digests of nameless messages that are remembered: a redelivery comes soon, and packet ids come round again."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Twin).decode


class Twins:
    """All twins of the node. `strict` answers as EdgeCore does where EdgeCore is merely odd.

    An unchanged value is told to the cloud again `heartbeat` seconds after it confirmed it; 0: never.
    """

    def __init__(
        self, *, strict: bool = False, enrols: bool = False, enrol_limit: int = ENROLLED, heartbeat: float = 0
    ) -> None:
        self._strict = strict
        self._enrols = enrols
        self._enrol_limit = enrol_limit
        self._heartbeat = int(heartbeat * 1_000_000)
        self._twins: dict[str, Twin] = {}
        self._known = Digests(SEEN_LIMIT)
        self._recent = Digests(RECENT)
        self._handlers: dict[type[Stimulus], Callable[[Any], list[Instruction]]] = {
            Updated: self._update,
            Asked: self._ask,
            Seen: self._see,
            Missed: self._miss,
            Listed: self._list,
            Joined: self._join,
            Admitted: self._admit,
            Enumerated: self._enumerate,
            Synchronised: self._synchronise,
            Requested: self._request,
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

    def restore(self, twins: Mapping[str, bytes], seen: Iterable[int]) -> list[str]:
        """Take up what the journal kept; the devices of which it cannot be read, which begin anew."""
        lost = []
        for device, body in twins.items():
            try:
                self._twins[device] = _decode(body)
            except msgspec.MsgspecError:
                lost.append(device)
        digests = list(seen)
        self._known.update(digests)
        self._recent.update(digests[-RECENT:])
        return lost

    # -- stimuli ---------------------------------------------------------------------------------------------------

    def _update(self, s: Updated) -> list[Instruction]:
        twin = self._twins.get(s.device)
        out: list[Instruction] = []
        joins = twin is None
        if twin is None:
            if not self._enrols or s.origin != "device":  # nobody but a device itself says that it exists
                return self._refusal(s, 404, UNKNOWN_DEVICE)
            if not all(map(is_name, s.device.split("/", 1))):
                return self._refusal(s, 400, f"{s.device[:80]!r} can't join by itself: a name is {NAME_RULE}")
            if len(self._twins) >= self._enrol_limit:
                many = f"{len(self._twins)} devices are here, and beyond {self._enrol_limit} none joins by itself"
                return self._refusal(s, 403, f"{many}: declare it, or raise [twins] enrol_limit")
            out += self._join(Joined(s.device, s.cause, s.seen, {}, description="enrolled by its first message"))
            twin = self._twins[s.device]
        if signs.spoken(s):
            out += signs.heard(twin, s)
        if not s.edits:  # it asks for the delta again, however often it comes
            edits.take(twin, s, {}, {})
            return [*out, Persist(s.device, s.cause), *told.answer_again(twin, s), *told.delta(twin, s.cause)]
        digest = s.seq and s.seq ^ twin.joined  # an earlier device of the same name took other messages
        if digest and s.repeats and digest in (self._known if s.named else self._recent):
            return out + told.answer_again(twin, s)
        try:
            changes, gone = edits.touched(twin, s, strict=self._strict, heartbeat=self._heartbeat)
        except Rejected as error:
            if joins:  # nothing that it says holds, that it is there neither
                del self._twins[s.device]
                out.clear()
            return out + self._refusal(s, error.code, error.reason)
        edits.take(twin, s, changes, gone)
        if digest:
            (self._known if s.named else self._recent).add(digest)
        event = "" if s.reply is None else s.reply.event
        out.append(Revision(s.device, s.cause, changes, gone, event, s.reply, s.seq, digest, twin.short))
        return out + told.asked_of(twin, s.cause, changes, always=self._strict)

    def check(self, s: Updated) -> None:
        """Raise the `Rejected` that an update of a device that is there would come to now; nothing changes."""
        twin = self._twins.get(s.device)
        if twin is None:
            raise Rejected(UNKNOWN_DEVICE, 404)
        edits.touched(twin, s, strict=self._strict, heartbeat=self._heartbeat)

    def _ask(self, s: Asked) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is None:
            reason = f"Device {s.device} not found while getting twin"
            return [Refuse(s.device, s.cause, 404, reason, s.reply, "twin/get")]
        living = {name: p for name, p in twin.properties.items() if not p.deleted}
        answer = Answer(s.device, s.cause, "get", s.reply, cast("dict[str, Property | None]", living), {})
        if not s.reply.short or twin.short:
            return [answer]
        twin.short = True
        return [Persist(s.device, s.cause), answer]

    def _see(self, s: Seen) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is not None:
            return signs.stated(twin, s, strict=self._strict)
        refusal = Refuse(s.device, s.cause, 404, UNKNOWN_DEVICE, s.reply or Reply(), "state/update")
        return [] if s.reply is None or self._strict else [refusal]

    def _miss(self, s: Missed) -> list[Instruction]:
        twin = self._twins.get(s.device)
        return [] if twin is None else signs.missed(twin, s, strict=self._strict)

    def _list(self, s: Listed) -> list[Instruction]:
        return [
            Roster("", s.cause, s.reply, tuple(_member(twin, strict=self._strict) for twin in self._twins.values()))
        ]

    def _join(self, s: Joined) -> list[Instruction]:
        twin = self._twins.get(s.device)
        out: list[Instruction] = []
        if twin is None:
            twin = self._twins[s.device] = Twin(s.device, joined=s.seen, origin=s.origin)
            out.append(Membership(s.device, s.cause, True, Member(s.device, s.description)))
        twin.description = s.description or twin.description
        twin.model = s.model or twin.model
        twin.life.rhythm = twin.life.rhythm if s.rhythm is None else s.rhythm
        before, twin.declared = twin.declared, dict(s.properties)
        out.append(Persist(s.device, s.cause))
        return [*out, *adopt(twin, s, before)]

    def _admit(self, s: Admitted) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is not None:
            return legacy.admit(twin, s, strict=self._strict)
        twin = self._twins[s.device] = Twin(s.device, joined=s.seen, origin="cloud")
        out = legacy.admit(twin, s, strict=self._strict)
        shown = {name: p for name, p in twin.properties.items() if not p.deleted}
        return [*out, Membership(s.device, s.cause, True, _member(twin, strict=self._strict), shown)]

    def _enumerate(self, s: Enumerated) -> list[Instruction]:
        gone = [t.device for t in self._twins.values() if t.origin == "cloud" and t.device not in s.devices]
        return [i for device in gone for i in self._leave(Left(device, s.cause, s.seen))]

    def _synchronise(self, s: Synchronised) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is None:
            return self._refusal(s, 404, UNKNOWN_DEVICE)
        try:
            return legacy.follow(twin, s.cause, s.seen, s.wishes, s.event, strict=self._strict)
        except Rejected as error:
            return self._refusal(s, error.code, error.reason)

    def _request(self, s: Requested) -> list[Instruction]:
        twin = self._twins.get(s.device)
        return self._refusal(s, 404, UNKNOWN_DEVICE) if twin is None else requests.request(twin, s)

    def _leave(self, s: Left) -> list[Instruction]:
        twin = self._twins.get(s.device)
        if twin is None or (s.origin and twin.origin != s.origin):
            return []
        del self._twins[s.device]
        return [Forget(s.device, s.cause), Membership(s.device, s.cause, False, Member(s.device))]

    def _infer(self, s: Inferred) -> list[Instruction]:
        edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in s.values.items()}
        return self._update(Updated(s.device, s.cause, s.seen, edits, s.at, s.seq))

    def _refuse(self, s: Refused) -> list[Instruction]:
        return [Refuse(s.device, s.cause, s.code, s.reason, s.reply, s.topic, s.early)]

    def _confirm(self, s: Confirmed) -> list[Instruction]:
        twin = self._twins.get(s.device)
        return [] if twin is None or s.joined not in {0, twin.joined} else confirm(twin, s)

    def open_deltas(self) -> list[Instruction]:
        """The delta of every device that has one, to be told again after a broker was away."""
        return [d for twin in self._twins.values() for d in told.delta(twin, "link")]

    def _refusal(self, s: Updated | Synchronised | Requested, code: int, reason: str) -> list[Instruction]:
        reply = None if isinstance(s, Requested) else s.reply
        return [Refuse(s.device, s.cause, code, reason, reply or Reply(), "twin/update" if reply else "")]


def _member(twin: Twin, *, strict: bool) -> Member:
    state = twin.state if strict else twin.status
    return Member(twin.device, twin.description, state, twin.last_online, twin.attributes)
