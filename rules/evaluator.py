"""Evaluations of instances: what is overdue comes first, states of other detectors are seen as they are, and each is
measured, so that a rule that is slow or fails is put into quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rules.instance import Record
from rules.instructions import Decided, Instruction, Raise
from rules.machine import Machine
from rules.manifest.form import Scalar
from rules.quarantine import SLOW
from twins.errors import Broken
from twins.exchange import Event
from twins.instructions import Fact


class Evaluator:
    """`gauge` gives seconds, `has_room` says whether there may be an instance more.

    `evaluated` are the instances that may have to be written, with their machines; `turned_away` counts facts that
    would have needed an instance too many.
    """

    def __init__(
        self, machines: Mapping[str, Machine], gauge: Callable[[], float], has_room: Callable[[], bool]
    ) -> None:
        self.evaluated: dict[Record, Machine] = {}
        self.turned_away = 0
        self._machines = machines
        self._gauge = gauge
        self._has_room = has_room

    def take(
        self, machine: Machine, name: str, key: str, value: Scalar | None, fact: Fact, now: int, steady: int
    ) -> list[Instruction]:
        """Evaluate an input in one instance, after its timers that are due; `value` is what the fact reads as."""
        out: list[Instruction] = []
        record = machine.records.get(key)
        if record is None:
            if not self._has_room():
                self.turned_away += 1
                return out
            record = machine.create(key, now)
        elif record.timers:
            out += self.catch_up(machine, record, fact.cause, now, steady)
        if machine.quarantine.reason:
            machine.quarantine.skipped += 1
            return out
        self.evaluated[record] = machine
        if machine.peers:
            self._look(machine, record)
        began = self._gauge()
        out += machine.take(record, name, value, fact.value, fact.device, fact.cause, now, steady, fact.at)
        took = self._gauge() - began
        if took > SLOW or machine.broken or machine.quarantine.strikes:  # most are none of these: spare them the call
            out += _judged(machine, took, fact.cause, now)
        return out

    def strike(self, machine: Machine, name: str, now: int, cause: str, steady: int) -> list[Instruction]:
        """Evaluate a schedule in every instance, by key. A rule whose key is a constant has its one instance then."""
        due = machine.agenda.due.get(name)
        if due is None or due > now:
            return [] if due is None else [machine.agenda.move(name, due - 1)]
        out: list[Instruction] = [machine.agenda.move(name, now)]
        single = machine.detector.spec.key
        keys = sorted(machine.records)
        if not keys and single != "device" and "${" not in single and self._has_room():
            keys = [single]
        for key in keys:
            record = machine.records.get(key) or machine.create(key, now)
            out += self.catch_up(machine, record, cause, now, steady)
            if machine.quarantine.reason:
                machine.quarantine.skipped += 1
                continue
            self.evaluated[record] = machine
            if machine.peers:
                self._look(machine, record)
            began = self._gauge()
            out += machine.strike(record, name, due, cause, now, steady)
            out += _judged(machine, self._gauge() - began, cause, now)
        return out

    def fail(
        self, machine: Machine, record: Record, label: str, asked: str, cause: str, now: int, steady: int
    ) -> list[Instruction]:
        """What the action at `label` asked of a device, `device/property`, was not reported in time."""
        out = self.catch_up(machine, record, cause, now, steady)
        if machine.quarantine.reason:
            machine.quarantine.skipped += 1
            return out
        self.evaluated[record] = machine
        began = self._gauge()
        out += machine.fail(record, label, asked, cause, now, steady)
        return [*out, *_judged(machine, self._gauge() - began, cause, now)]

    def catch_up(self, machine: Machine, record: Record, cause: str, now: int, steady: int) -> list[Instruction]:
        """Evaluate all timers of an instance that are due, the earliest first. Each is gone or moved on afterwards."""
        out: list[Instruction] = []
        if machine.peers:
            self._look(machine, record)
        while not machine.quarantine.reason and record.timers and (timer := record.overdue(steady)) is not None:
            self.evaluated[record] = machine
            due, began = record.timers[timer], self._gauge()
            out += machine.expire(record, timer, cause, now, steady)
            judged = _judged(machine, self._gauge() - began, cause, now)
            if not judged and record.timers.get(timer) == due:
                msg = f"timer {timer!r} of {machine.id}/{record.key} is overdue still after it was evaluated"
                raise Broken(msg)
            out += judged
        return out

    def _look(self, machine: Machine, record: Record) -> None:
        """Let an instance see the states of its peers as they are now."""
        for name, peer in machine.peers.items():
            seen = self._machines[peer].records.get(record.key) if peer in self._machines else None
            if seen is None:
                record.values.pop(name, None)
            else:
                record.values[name] = seen.state


def _judged(machine: Machine, seconds: float, cause: str, now: int) -> Sequence[Instruction]:
    """Look at what an evaluation cost; a quarantine that begins is told."""
    if not machine.quarantine.note(seconds, machine.broken):
        return ()
    state, reason = machine.detector.spec.initial, machine.quarantine.reason
    message = f"rule {machine.id} is in quarantine: {reason}; mend it and apply it again, or apply it as it is"
    event = Event(f"{cause}:{machine.id}:quarantine", now, "rule", machine.id, "error", message, cause)
    return Raise(event), Decided(machine.id, "", "quarantine", state, state, cause)
