"""What a rule did at one input or timer, as people write and compare it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rules.expression import show
from rules.instructions import Command, Decided, Instruction, Raise

Deed = dict[str, dict[str, Any]]
"""One action by its name, as in a manifest: `{"set": {"device": …, "property": …, "value": …}}`."""

_OF_THE_INPUT = ("type", "cause", "id", "rule", "at")
"""Fields of an instruction that say why it is there and when, not what it does."""


class Decision(Struct, frozen=True):
    """What one instance of a rule chose at a time (microseconds UTC), and what came of it.

    `chosen` names the events and the transition in order; `before` and `after` are equal where the state stayed.
    """

    at: int
    rule: str
    key: str
    trigger: str
    before: str
    after: str
    chosen: tuple[str, ...]
    deeds: tuple[Deed, ...]

    @property
    def effect(self) -> tuple[object, ...]:
        """What two versions of a rule are compared by."""
        return self.before, self.after, self.chosen, self.deeds


def decisions(instructions: Sequence[Instruction], trigger: str, at: int, device: str = "") -> Iterator[Decision]:
    """What instructions of one input or timer say, by instance. `device` brought the input."""
    found: list[Decided] = []
    deeds: list[Deed] = []
    for each in instructions:
        if isinstance(each, Decided):
            if found and (each.rule, each.key) != (found[-1].rule, found[-1].key):
                yield _decision(found, deeds, trigger, at, device)
                found, deeds = [], []
            found.append(each)
        else:
            deeds += deeds_of(each)
    if found:
        yield _decision(found, deeds, trigger, at, device)


def deeds_of(instruction: Instruction) -> list[Deed]:
    """What an instruction does to the world: nothing where it only keeps the books.

    One that is not known here does something if it names the `rule` that wants it; it is told by its fields, or by
    those of the tagged struct that it carries.
    """
    match instruction:
        case Command(device, values):
            return [{"set": {"device": device, "property": name, "value": each}} for name, each in values.items()]
        case Raise(event):
            return [{"alert": {"device": event.object, "severity": event.severity, "message": event.message}}]
        case Decided():
            return []
    if not hasattr(instruction, "rule"):
        return []
    fields = _told(msgspec.to_builtins(instruction))
    match list(fields.values()):
        case [{"type": str(kind)} as task]:
            return [{kind: _told(task)}]
    return [{type(instruction).__name__.lower(): fields}]


def line(deed: Deed) -> str:
    """A deed for people."""
    ((name, given),) = deed.items()
    if name == "set":
        return f"set {given.get('device', '?')} {given.get('property', '?')} = {_text(given.get('value', '?'))}"
    if name == "alert":
        severity = f" ({given['severity']})" if "severity" in given else ""
        return f"alert{severity}" + (f": {given['message']}" if "message" in given else "")
    return " ".join([name, *(f"{key}={_text(value)}" for key, value in given.items())])


def fits(wanted: Deed, made: Deed) -> bool:
    """Whether a deed is the one that was wanted: what is named of it is equal; a device may lack its namespace."""
    return wanted.keys() == made.keys() and _equal("", wanted, made)


def _equal(name: str, wanted: object, made: object) -> bool:
    if isinstance(wanted, dict) and isinstance(made, dict):
        return all(key in made and _equal(key, value, made[key]) for key, value in wanted.items())
    left, right = _text(wanted), _text(made)
    return left == right or (name == "device" and right == f"default/{left}")


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _OF_THE_INPUT}


def _text(value: object) -> str:
    if isinstance(value, (bool, float, int, str)):
        return show(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)
    return msgspec.json.encode(value).decode()


def _decision(found: list[Decided], deeds: list[Deed], trigger: str, at: int, device: str) -> Decision:
    first = found[0]
    moved = [each.after for each in found if each.before != each.after]  # what is done on leaving names the old state
    chosen = tuple(each.name for each in found)
    seen = trigger if device in {"", first.key} else f"{device}: {trigger}"
    after = moved[-1] if moved else first.after
    return Decision(at, first.rule, first.key, seen, first.before, after, chosen, tuple(deeds))
