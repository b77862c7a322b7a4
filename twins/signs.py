"""Signs of life: what a message, a word about its state, and silence mean for a device. Pure.

What a person, a rule or the cloud asks of a device is no sign of it, and neither is a question about it.
"""

from __future__ import annotations

from twins.instructions import STATE, Fact, Instruction, Persist, Status
from twins.liveness import Presence, meaning
from twins.stimuli import Seen, Stimulus, Updated
from twins.values import Twin

SAID = "it said so, or its last will did"


def spoken(s: Updated) -> bool:
    """True when the device itself speaks: it reports, deletes, or asks for its delta."""
    if s.origin != "device":
        return False
    for edit in s.edits.values():
        if edit is None or edit.reported is not None:
            return True
    return not s.edits


def heard(twin: Twin, s: Stimulus) -> list[Instruction]:
    """The device speaks: its interval is learned, and if it was away it is back."""
    _listen(twin, s)
    if twin.life.presence == "online":
        return []
    twin.life.door = _door(s)
    return turned(twin, s, "online")


def turned(twin: Twin, s: Stimulus, presence: Presence, reason: str = "") -> list[Instruction]:
    """Its presence changed, or the reason of it; the state to show perhaps."""
    before = twin.status
    twin.life.presence, twin.life.reason, twin.life.said = presence, reason, False
    fact = Fact(s.device, s.cause, STATE, twin.status, None, s.seen, 0)
    told = [] if twin.status == before else [fact, Status(s.device, s.cause, twin.status, before, reason, s.seen)]
    return [Persist(s.device, s.cause), *told]


def said(twin: Twin, s: Seen, before: str) -> list[Instruction]:
    """It was said how the device is, which `twin.state` holds already; `before` was its status."""
    life = twin.life
    life.presence, life.door = meaning(twin.state), _door(s)
    life.said = life.presence != "online"
    life.reason = s.reason or ("" if s.reply is None or life.presence == "online" else SAID)
    if life.presence == "online":
        _listen(twin, s)
    changed = twin.status != before
    fact = Fact(s.device, s.cause, STATE, twin.status, None, s.seen, s.seq, changed)
    told = [Status(s.device, s.cause, twin.status, before, life.reason, s.seen)] if changed else []
    return [Persist(s.device, s.cause), fact, *told]


def _listen(twin: Twin, s: Stimulus) -> None:
    if twin.seen:
        twin.life.learn(s.seen - twin.seen)
    twin.seen = s.seen


def _door(s: Stimulus) -> str:
    return s.cause.partition(":")[0]
