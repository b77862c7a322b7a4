"""What an update means for the world outside beside its revision: answers, deltas, orders. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from twins.instructions import Actuate, Answer, Delta, Instruction
from twins.property import Change, sides_of
from twins.stimuli import Updated
from twins.values import Twin


def answer_again(twin: Twin, s: Updated) -> list[Instruction]:
    """The answer to a message that changes nothing: what its properties are now."""
    if s.reply is None:
        return []
    living = {name: p for name, p in twin.properties.items() if not p.deleted}
    sides = {name: sides_of(edit, new=False) for name, edit in s.edits.items() if edit is not None}
    return [Answer(s.device, s.cause, "update", s.reply, {name: living.get(name) for name in s.edits}, sides)]


def asked_of(twin: Twin, cause: str, changes: Mapping[str, Change], *, always: bool) -> list[Instruction]:
    """The delta, once per change: when something new is asked, or a device leaves what was asked; or `always`."""
    wanted: dict[str, str] = {}
    left = False
    for name, c in changes.items():
        desired = c.current.desired
        if desired is None or not c.current.drifts:
            continue
        if c.desired_changed:
            wanted[name] = desired.value
        elif c.last is not None and not c.last.drifts:
            left = True
    told = delta(twin, cause) if wanted or left or always else []
    return told + orders(twin, cause, wanted)


def orders(twin: Twin, cause: str, wanted: dict[str, str]) -> list[Instruction]:
    """What is newly desired, for those who talk to the device by other ways than MQTT."""
    return [Actuate(twin.device, cause, wanted)] if wanted else []


def delta(twin: Twin, cause: str) -> list[Instruction]:
    """All that is desired of a device, while something of it is not reported."""
    asked = {n: p for n, p in twin.properties.items() if not p.deleted and p.desired and p.desired.value}
    return [Delta(twin.device, cause, asked, twin.short)] if any(p.drifts for p in asked.values()) else []
