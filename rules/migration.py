"""Instances that outlive their detector's manifest: what goes on, what is taken back."""

from __future__ import annotations

from rules import lint
from rules.instance import Record
from rules.instructions import Decided, Drop, Instruction, Keep, Wake
from rules.machine import Machine
from rules.manifest.form import InputType, Scalar

_TYPES: dict[InputType, type] = {"number": float, "boolean": bool, "string": str}


def adopt(machine: Machine, record: Record) -> list[Instruction]:
    """Let an instance go on under a machine that may differ from the one it grew up with.

    State, values and timers stay as far as the machine knows them; a state it does not know becomes the initial one,
    which is told by a decision called `reset`. Under an unchanged detector nothing happens.
    """
    out: list[Instruction] = []
    spec = machine.detector.spec
    if record.state not in machine.states:
        out.append(Decided(machine.id, record.key, "reset", record.state, spec.initial, ""))
        record.state = spec.initial
    fresh = machine.variables()
    types = {name: _TYPES[given.type] for name, given in spec.inputs.items()}
    types |= {name: type(value) for name, value in fresh.items()}
    kept: dict[str, Scalar] = {name: value for name, value in record.values.items() if types.get(name) is type(value)}
    for name, value in fresh.items():
        kept.setdefault(name, value)
    record.values = kept
    known = {arrow.timer for arrow in machine.states[record.state].arrows if arrow.hold} | lint.timers(machine.detector)
    for timer in record.timers.keys() - known:
        del record.timers[timer]
        out.append(Wake(f"{machine.id}/{record.key}#{timer}", None))
    machine.records[record.key] = record
    body = record.news()
    if body is not None:
        out.append(Keep(f"{machine.id}/{record.key}", body))
    return out


def drop(name: str, records: dict[str, Record]) -> list[Instruction]:
    """Take back what was written of the instances of the detector `name`."""
    out: list[Instruction] = []
    for key, record in records.items():
        out += [Wake(f"{name}/{key}#{timer}", None) for timer in record.timers]
        out.append(Drop(f"{name}/{key}"))
    return out
