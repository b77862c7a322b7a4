"""Signs of life: what a message, a word about its state, and silence mean for a device. Pure.

What a person, a rule or the cloud asks of a device is no sign of it, and neither is a question about it.
"""

from __future__ import annotations

from twins.instructions import STATE, Fact, Instruction, Persist, Refuse, StateAnswer, Status
from twins.liveness import Presence, meaning
from twins.stimuli import Missed, Reply, Seen, Stimulus, Updated
from twins.values import Twin

SAID = "it said so, or its last will did"
STATES = frozenset({"online", "offline", "ok", "unknown", "unhealthy"})


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


def stated(twin: Twin, s: Seen, *, strict: bool) -> list[Instruction]:
    """It says how it is, or somebody does for it, in KubeEdge's words; others are refused (in strict mode unheard)."""
    reply, state = s.reply, s.state
    if state.lower() == "disconnected" and not strict:
        state = "offline"
    if state.lower() not in STATES:
        reason = f"the state {state[:64]!r} is not one of {', '.join(sorted(STATES))}"
        refusal = Refuse(s.device, s.cause, 400, reason, reply or Reply(), "state/update")
        return [] if reply is None or strict else [refusal]
    before, twin.state = twin.status, state
    twin.short |= reply is not None and reply.short
    out = _said(twin, s, before)
    up = state.lower() in {"online", "ok"}
    if up:
        twin.last_online = s.seen
    elif strict:
        twin.last_online = 0
    if reply is not None:
        out.append(StateAnswer(s.device, s.cause, reply, state, twin.last_online if up else 0))
    return out


def missed(twin: Twin, s: Missed, *, strict: bool) -> list[Instruction]:
    """It is silent for too long."""
    if twin.seen > s.heard or not twin.life.watched:
        return []  # it was heard, or its last will was, while this was on its way
    twin.last_online = twin.last_online if strict else twin.seen
    return turned(twin, s, s.presence, s.reason)


def _said(twin: Twin, s: Seen, before: str) -> list[Instruction]:
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
