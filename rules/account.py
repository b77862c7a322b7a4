"""What is kept of a decision, so that it can be explained after a restart: made with it, written in the same commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rules.explain import Effect, Evaluation, Verdict
from rules.instructions import (
    Act,
    Command,
    Decided,
    Drop,
    Explained,
    Held,
    Instruction,
    Keep,
    Raise,
    Rehearsed,
    Signal,
    Wake,
    Write,
)
from rules.manifest.form import Scalar
from rules.phrase import phrase
from rules.values import said
from twins.exchange import Decision

LONGEST = 200
"""Characters of one text in it."""
MOST = 64
"""Conditions in it, and effects."""


def effects(instructions: Iterable[Instruction], assigned: Mapping[str, Scalar], ahead: int = 0) -> tuple[Effect, ...]:
    """What an evaluation wanted, without what only keeps the books, and what it made of variables.

    The wall clock, by which it is told, is `ahead` of the time in which timers are due.
    """
    found = [Effect("assign", name, said(value)) for name, value in assigned.items()]
    return (*found, *(effect for each in instructions for effect in _effects(each, ahead)))


def written(evaluation: Evaluation, topic: str = "") -> Decision:
    """A decision as it is kept. What is long is cut; `topic` is where its input came in, if it did on one."""
    e = evaluation
    kept = msgspec.structs.replace(
        e,
        verdicts=tuple(map(_cut_verdict, e.verdicts[:MOST])),
        effects=tuple(map(_cut_effect, e.effects[:MOST])),
        topic=topic,
    )
    asked = "\n".join(effect.target for effect in kept.effects if effect.kind == "set")
    return Decision(
        e.at, e.cause, e.rule, e.key, e.source or e.trigger.partition("@")[0], e.chosen, e.before, e.after,
        asked and f"\n{asked}\n", _ENCODER.encode(kept).decode(),
    )  # fmt: skip


def read(decision: Decision) -> Evaluation | None:
    """The evaluation again; `None` for what we did not write."""
    try:
        return _DECODER.decode(decision.body)
    except msgspec.DecodeError:
        return None


def _effects(instruction: Instruction, ahead: int) -> list[Effect]:
    match instruction:
        case Command(device, values):
            return [Effect("set", f"{device}/{name}", value) for name, value in values.items()]
        case Raise(event):
            return [Effect("alert", event.object, event.message, event.id)]
        case Wake(timer, due):
            name = timer.rpartition("#")[2]
            return [Effect("clear", name) if due is None else Effect("wake", name, at=due + ahead)]
        case Act() | Write() | Signal():
            return [Effect("do", value=phrase(instruction), id=instruction.id)]
        case Held() | Rehearsed():
            return [Effect("spare", value=phrase(instruction))]
        case Decided() | Keep() | Drop() | Explained():
            return []
        case _:
            return [_other(instruction)]


def _other(instruction: Instruction) -> Effect:
    """An instruction that has no words of its own here: its name and its texts."""
    fields = msgspec.structs.asdict(instruction)
    said = ", ".join(f"{name} = {value}" for name, value in fields.items() if isinstance(value, str) and value)
    return Effect(type(instruction).__name__.lower(), value=said[:LONGEST], id=str(fields.get("id", "")))


def _cut_verdict(verdict: Verdict) -> Verdict:
    long = len(verdict.source) > LONGEST or any(isinstance(v, str) and len(v) > LONGEST for v in verdict.given.values())
    if not long and len(verdict.given) <= MOST:
        return verdict
    given = {name: v[:LONGEST] if isinstance(v, str) else v for name, v in list(verdict.given.items())[:MOST]}
    return msgspec.structs.replace(verdict, source=verdict.source[:LONGEST], given=given)


def _cut_effect(effect: Effect) -> Effect:
    return effect if len(effect.value) <= LONGEST else msgspec.structs.replace(effect, value=effect.value[:LONGEST])


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Evaluation)
