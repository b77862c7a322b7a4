"""Instances that outlive their detector's manifest: what goes on, what is mapped, what begins anew.

A manifest that takes another's place says which by `migration`. Under `keep` and `map` an instance goes on in its
state, or in the one that `map` names for it, with the variables and timers that the new manifest has; a change under
which one could not go on (its state is gone, or another key decides which instance a fact belongs to) is refused. Under
`reset` all begin anew with their next input. What began anew is told by one event for each change, and by a decision
called `reset` for each instance. What is found at a start is its manifest's own: it goes on, unless its state is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from hashlib import blake2b

from rules.instance import Record
from rules.instructions import Decided, Drop, Instruction, Keep, Raise, Wake
from rules.machine import Machine
from rules.manifest.detector import Detector
from rules.manifest.form import Scalar
from rules.past.past import PREFIX, Past
from twins.errors import Rejected
from twins.exchange import Event

_NAMED = 20
"""Instances named in an event."""


def check(new: Detector, old: Detector, records: Collection[Record]) -> None:
    """Raise `Rejected` when instances could not go on and nobody said that they are to begin anew."""
    if not records or new.spec.migration == "reset":
        return
    count = f"{len(records)} instance{'s' if len(records) > 1 else ''}"
    if old.spec.key != new.spec.key:
        _refuse(new, f"spec.key: it was {old.spec.key!r}, and {count} cannot be told apart by another key")
    states = Counter(record.state for record in records)
    for state in sorted(states.keys() - new.spec.states.keys() - new.spec.map.states.keys()):
        way = f"write migration: map and map.states.{state}, or"
        _refuse(new, f"spec.states: {state!r} is gone, with {states[state]} of {count} in it", way)


def migrate(machine: Machine, old: Detector, record: Record) -> list[Instruction]:
    """Let an instance go on under a machine that takes the place of the one it grew up with; `check` has passed."""
    names = machine.detector.spec.map
    record.state = names.states.get(record.state, record.state)
    moved = {
        names.variables.get(name, name): record.values[name] for name in old.spec.variables if name in record.values
    }
    inputs = {name: record.values[name] for name in old.spec.inputs if name in record.values}
    record.values = inputs | moved
    return adopt(machine, record)


def inherit(machine: Machine, records: Mapping[str, Record], now: int, cause: str) -> list[Instruction]:
    """Let instances that were found at a start go on. Their manifest is the machine's own, unless one was lost."""
    out: list[Instruction] = []
    gone: dict[str, Record] = {}
    names = machine.detector.spec.map.states
    for key, record in records.items():
        if record.state not in machine.states:
            record.state = names.get(record.state, record.state)
        if record.state in machine.states:
            out += adopt(machine, record)
        else:
            gone[key] = record
    return out + reset(machine.id, gone, "the state they were in is gone", now, cause)


def adopt(machine: Machine, record: Record) -> list[Instruction]:
    """Let an instance go on with what the machine knows of its values and timers; it must know its state.

    Under an unchanged detector nothing happens.
    """
    out: list[Instruction] = []
    types = machine.types
    kept: dict[str, Scalar] = {name: value for name, value in record.values.items() if types.get(name) is type(value)}
    if machine.detector.spec.variables:
        for name, value in machine.variables().items():
            kept.setdefault(name, value)
    record.values = kept
    for timer in record.timers.keys() - machine.clocks[record.state]:
        del record.timers[timer]
        out.append(Wake(f"{machine.id}/{record.key}#{timer}", None))
    if record.lengths:
        record.lengths = {name: length for name, length in record.lengths.items() if name in machine.plan.restarted}
    if record.past is not None or machine.calls:
        record.past = record.past or Past()
        record.past.ask(machine.calls)
    machine.records[record.key] = record
    return out + news(machine.id, record)


def news(rule: str, record: Record) -> list[Instruction]:
    """What is to be written of an instance, once for each change."""
    out: list[Instruction] = []
    key = f"{rule}/{record.key}"
    if (body := record.news()) is not None:
        out.append(Keep(key, body))
    if record.past is not None:
        for row, rows in record.past.news().items():
            name = f"{PREFIX}{key}#{row}"
            out.append(Drop(name) if rows is None else Keep(name, rows))
    return out


def reset(name: str, records: Mapping[str, Record], why: str, now: int, cause: str) -> list[Instruction]:
    """Take back instances of the detector `name` that begin anew with their next input, and tell it."""
    if not records:
        return []
    out = drop(name, records)
    out += [Decided(name, key, "reset", record.state, "", cause) for key, record in records.items()]
    return [*out, Raise(told(name, list(records), why, now, cause))]


def drop(name: str, records: Mapping[str, Record]) -> list[Instruction]:
    """Take back what was written of the instances of the detector `name`."""
    out: list[Instruction] = []
    for key, record in records.items():
        out += [Wake(f"{name}/{key}#{timer}", None) for timer in record.timers]
        out.append(Drop(f"{name}/{key}"))
        if record.past is not None:
            out += [Drop(f"{PREFIX}{name}/{key}#{row}") for row in record.past.names()]
    return out


def told(name: str, keys: list[str], why: str, now: int, cause: str) -> Event:
    """The event that tells of instances that begin anew."""
    number = f"{len(keys)} instance{'s' if len(keys) > 1 else ''}"
    seed = f"{cause}|{name}|{now}|{len(keys)}|{keys[0]}|reset"
    detail = {"rule": name, "count": str(len(keys)), "instances": ", ".join(sorted(keys)[:_NAMED])}
    message = f"{number} of rule {name} began anew: {why}"
    return Event(
        blake2b(seed.encode(), digest_size=12).hexdigest(), now, "rule", name, "warning", message, cause, detail
    )


def _refuse(detector: Detector, fault: str, way: str = "write") -> None:
    msg = f"Detector {detector.id}: {fault}; {way} migration: reset, with which they begin anew"
    raise Rejected(msg, 409)
