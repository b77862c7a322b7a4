"""All rules of the gateway: facts and due timers in, instructions out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import get_args

from rules import lint
from rules.alarms.alarms import Alarms
from rules.evaluator import Evaluator
from rules.explain import Counts, Evaluation
from rules.expression import Scope
from rules.instructions import Decided, Instruction, Signal, Wake
from rules.late import Start
from rules.machine import TYPES, Machine
from rules.manifest.detector import Detector
from rules.manifest.schedule import AT
from rules.migration import check, drop, migrate, news, reset
from rules.quarantine import Quarantine
from rules.recovery import Recovery, split
from rules.view import InstanceView, View, instance, view
from rules.watch import Watches
from rules.window import find_zone
from twins.errors import Rejected
from twins.instructions import Fact, Source
from twins.stimuli import Heard

DEPTH = 8
"""How many times what a rule does may set off another rule within one input."""
LOOK_AGAIN = 60_000_000
"""Microseconds after which a timer that is due in a quarantine is looked at again."""


class Rules:
    """The detectors and their instances, owned by the sequencer.

    `zone` is the site's time zone (IANA name), `limit` the most instances of all detectors together, `history` how
    many evaluations each detector remembers, `gauge` gives seconds by which evaluations are measured. Facts that would
    need an instance more are counted in `turned_away`.
    """

    def __init__(
        self,
        zone: str = "UTC",
        *,
        limit: int = 200_000,
        history: int = 64,
        gauge: Callable[[], float] = lambda: 0.0,
    ) -> None:
        find_zone(zone)
        self.alarms = Alarms(self, zone)
        self._zone = zone
        self._history = history
        self._machines: dict[str, Machine] = {}
        self._recovery = Recovery()
        self._ahead = 0
        self._evaluator = Evaluator(self._machines, gauge, lambda: self.instances < limit)
        self._gone = Counts()
        self._open: tuple[Scope, Watches] | None = None
        self._watched: Mapping[Source, Collection[str]] = dict.fromkeys(get_args(Source), ())

    def watches(self, name: str, source: Source = "reported") -> bool:
        """True when a fact of this name may concern an instance."""
        return name in self._watched[source]

    @property
    def turned_away(self) -> int:
        """Facts that would have needed an instance too many."""
        return self._evaluator.turned_away

    @property
    def webhooks(self) -> Collection[str]:
        """Names of webhooks that rules hear."""
        return self._open[1].ears.webhooks if self._open is not None else ()

    @property
    def filters(self) -> Collection[str]:
        """Filters of topics that rules hear; they may overlap."""
        return self._open[1].ears.filters if self._open is not None else ()

    @property
    def detectors(self) -> dict[str, Detector]:
        """The detectors by `namespace/name`."""
        return {name: machine.detector for name, machine in self._machines.items()}

    def apply(self, detector: Detector, now: int = 0, cause: str = "", *, checked: bool = False) -> list[Instruction]:
        """Add a detector or put it in place of its older self. Raises `Rejected`, and then nothing has changed.

        `now`, microseconds UTC, is when, and `cause` what led to it. Instances go on, or not, as `migration` tells.
        One that is `checked` has passed `lint.check`. It is in quarantine no more.
        """
        old = self._machines.get(detector.id)
        if old is not None and old.detector == detector:
            old.quarantine = Quarantine()
            return []
        if not checked:
            lint.check(detector, self._zone)
        scope, watches = self._opened()
        records = self._recovery.waiting(detector.id) if old is None else old.records
        if old is not None:
            check(detector, old.detector, records.values())
        machine = Machine(detector, scope, self._zone, self._history)
        self._machines[detector.id] = machine
        watches.add(machine)
        if old is None:
            return self._recovery.take_up(machine, now, cause)
        watches.remove(old)
        self._gone.add(old.story.counts)
        machine.story.recall(old.story.last())
        agenda = machine.agenda.begin(now, old.agenda)
        if detector.spec.migration == "reset":
            return [*agenda, *reset(machine.id, records, "its manifest was changed", now, cause)]
        return [*agenda, *(each for record in records.values() for each in migrate(machine, old.detector, record))]

    def remove(self, name: str) -> list[Instruction]:
        """Remove the detector `namespace/name` and its instances."""
        machine = self._machines.pop(name, None)
        if machine is None:
            return self._recovery.drop(name)
        self._opened()[1].remove(machine)
        self._gone.add(machine.story.counts)
        return [*machine.agenda.end(), *drop(name, machine.records)]

    def forget(self, device: str) -> list[Instruction]:
        """A device left: its own instances go, those it shared with others stay."""
        out: list[Instruction] = []
        for machine in self._machines.values():
            record = machine.records.pop(device, None) if machine.detector.spec.key == "device" else None
            if record is not None:
                out += drop(machine.id, {device: record})
        return out

    def restore(
        self, states: dict[str, bytes], timers: dict[str, tuple[int, bytes]], start: Start | None = None
    ) -> list[Instruction]:
        """Take up what `Keep` and `Wake` wrote, before or after `apply`.

        Without a `start` no time has passed. Instructions come only where a timer says what becomes of it when it is
        late, where a detector differs from the one that was kept, and where the bytes of an instance cannot be read:
        it begins anew, which is told.
        """
        out = self._recovery.find(states, timers, start)
        now = 0 if start is None else start.now
        for machine in self._machines.values():
            out += self._recovery.take_up(machine, now, "")
        return out

    def set_clock(self, now: int, jump: int) -> list[Instruction]:
        """The wall clock was set to `now`, by `jump` microseconds: schedules go by it, timers do not."""
        return [each for machine in self._machines.values() for each in machine.agenda.set_clock(now, jump)]

    def changes(self) -> list[Instruction]:
        """What is to be written of the instances that were evaluated since the last call: once each, however often."""
        out: list[Instruction] = []
        for record, machine in self._evaluator.evaluated.items():
            if machine.records.get(record.key) is not record or self._machines.get(machine.id) is not machine:
                continue  # it was dropped, or goes on under another machine, which wrote it
            out += news(machine.id, record)
        self._evaluator.evaluated.clear()
        return out

    def handle(self, fact: Fact, now: int, steady: int | None = None) -> list[Instruction]:
        """Evaluate a fact that arrived at `now`, microseconds UTC, in every instance it concerns.

        `steady` is the same moment on the scale of the timers, which no jump of the wall clock touches; it is `now`
        where the clock does not jump. Its new state is in `changes`, which must be written in the same commit.
        """
        out: list[Instruction] = []
        if self._open is None or fact.name not in self._watched[fact.source]:
            return out
        steady = self._at(now, steady)
        for machine, name, key, read in self._open[1].of(fact):
            out += self._evaluator.take(machine, name, key, read(fact), fact, now, steady)
        return out

    def facts(self, heard: Heard) -> Sequence[Fact]:
        """What a webhook or a message tells rules."""
        return tuple(self._open[1].ears.facts(heard)) if self._open is not None else ()

    def is_followed(self, detector: str) -> bool:
        """True when another rule has this detector's state as an input."""
        return self._open is not None and bool(self._open[1].followers(detector))

    def follow(self, decided: Decided, now: int, steady: int | None = None) -> list[Instruction]:
        """Evaluate whoever has the state that changed as an input, in the instance of the same key."""
        out: list[Instruction] = []
        if self._open is None or decided.before == decided.after:
            return out
        source = self._machines[decided.rule].records.get(decided.key) if decided.rule in self._machines else None
        if source is None:
            return out
        steady = self._at(now, steady)
        for machine, name in self._open[1].followers(decided.rule):
            at = now + machine.story.counts.evaluations  # it may be told of several changes in this moment
            fact = Fact(source.device, decided.cause, decided.rule, source.state, None, at, 0)
            out += self._evaluator.take(machine, name, decided.key, source.state, fact, now, steady)
        return out

    def signal(self, signal: Signal, device: str, now: int, steady: int | None = None) -> list[Instruction]:
        """Evaluate what one rule tells another, about a device or none. Raises `Rejected` where nobody can hear it."""
        machine = self._machines.get(signal.detector)
        given = None if machine is None else machine.detector.spec.inputs.get(signal.input)
        if machine is None or given is None:
            msg = f"there is no rule {signal.detector} with an input {signal.input}"
            raise Rejected(msg, 404)
        if not isinstance(signal.value, TYPES[given.type]):
            msg = f"the input {signal.input} of {signal.detector} takes a {given.type}, not {signal.value!r}"
            raise Rejected(msg)
        seed = int(signal.id[:15], 16)  # signals of one cause are told apart by their ids, and so is what they lead to
        fact = Fact(device, signal.cause, signal.input, "", None, seed, 0)
        return self._evaluator.take(machine, signal.input, signal.key, signal.value, fact, now, self._at(now, steady))

    def fail(
        self, rule: str, label: str, asked: str, cause: str, now: int, steady: int | None = None
    ) -> list[Instruction]:
        """What the action at `label` of an instance asked of a device, `device/property`, is not reported in time."""
        name, instance = split(rule)
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(instance)
        if machine is None or record is None:
            return []
        return self._evaluator.fail(machine, record, label, asked, cause, now, self._at(now, steady))

    def expire(self, timer: str, now: int, cause: str, steady: int | None = None) -> list[Instruction]:
        """Evaluate a timer or a schedule. One that was cleared or has run already does nothing; one not yet due is set
        again.
        """
        steady = self._at(now, steady)
        key, _, clock = timer.rpartition("#")
        name, instance = split(key)
        machine = self._machines.get(name)
        if machine is not None and clock.startswith(AT):
            return self._evaluator.strike(machine, clock.removeprefix(AT), now, cause, steady)
        record = None if machine is None else machine.records.get(instance)
        if machine is None or record is None or clock not in record.timers:
            return []
        due = record.timers[clock]
        if due > steady:
            return [Wake(timer, due, cause.encode(), clock in machine.plan.pausing)]
        if machine.quarantine.reason:
            return [Wake(timer, steady + LOOK_AGAIN, cause.encode(), clock in machine.plan.pausing)]
        out = self._evaluator.catch_up(machine, record, cause, now, steady)
        if record.timers.get(clock) == due:  # a quarantine began before its turn, or with it: it has rung for nobody
            out.append(Wake(timer, steady + LOOK_AGAIN, cause.encode(), clock in machine.plan.pausing))
        return out

    def catch_up(self, name: str, key: str, now: int, cause: str, steady: int | None = None) -> list[Instruction]:
        """Evaluate the timers of one instance of the detector `namespace/name` that are overdue."""
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(key)
        if machine is None or record is None:
            return []
        return self._evaluator.catch_up(machine, record, cause, now, self._at(now, steady))

    def instance(self, name: str, key: str) -> InstanceView | None:
        """One instance of the detector `namespace/name`."""
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(key)
        return None if record is None else instance(record, self._ahead)

    def instances_of(self, name: str) -> Iterator[InstanceView]:
        """The instances that the detector `namespace/name` has now, none if there is no such."""
        machine = self._machines.get(name)
        return (
            iter(())
            if machine is None
            else (instance(record, self._ahead) for record in tuple(machine.records.values()))
        )

    def trouble(self, name: str) -> str:
        """Why the detector `namespace/name` is in quarantine; empty when it is not."""
        machine = self._machines.get(name)
        return "" if machine is None else machine.quarantine.reason

    @property
    def quarantined(self) -> int:
        """How many detectors are in quarantine."""
        return sum(bool(machine.quarantine.reason) for machine in self._machines.values())

    @property
    def skipped(self) -> int:
        """Inputs that detectors in quarantine were not evaluated for."""
        return sum(machine.quarantine.skipped for machine in self._machines.values())

    @property
    def instances(self) -> int:
        """How many instances there are."""
        return sum(len(machine.records) for machine in self._machines.values())

    @property
    def counts(self) -> Counts:
        """What all detectors did since the start, those too that are no more."""
        total = copy(self._gone)
        for machine in self._machines.values():
            total.add(machine.story.counts)
        return total

    def views(self, limit: int = 100) -> list[View]:
        """Every detector, with at most `limit` of its instances."""
        return [view(machine, limit, self._ahead) for machine in self._machines.values()]

    def explain(self, name: str, key: str | None = None) -> list[Evaluation]:
        """The last evaluations of the detector `namespace/name`, of one instance or all. Raises `Rejected`."""
        if name not in self._machines:
            msg = f"there is no detector {name!r}; there are: {', '.join(sorted(self._machines)) or 'none'}"
            raise Rejected(msg, 404)
        return self._machines[name].story.last(key)

    def pending(self, name: str, key: str, timer: str) -> int | None:
        """When a timer of an instance is due by the wall clock; `None` when it is not set."""
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(key)
        due = None if record is None else record.timers.get(timer)
        return None if due is None else due + self._ahead

    def recall(self, evaluations: Iterable[Evaluation]) -> None:
        """Remember decisions of an earlier run, oldest first; call it after `apply`, before the first fact."""
        told: dict[str, list[Evaluation]] = {}
        for evaluation in evaluations:
            told.setdefault(evaluation.rule, []).append(evaluation)
        for name, found in told.items():
            if name in self._machines:
                self._machines[name].story.recall(found)

    def why(self, cause: str) -> list[Evaluation]:
        """The remembered evaluations of all detectors that a cause led to."""
        return [evaluation for machine in self._machines.values() for evaluation in machine.story.why(cause)]

    def _at(self, now: int, steady: int | None) -> int:
        """The moment on the scale of the timers; how far the wall clock is ahead of it is kept for people."""
        if steady is None:
            return now
        self._ahead = now - steady
        return steady

    def _opened(self) -> tuple[Scope, Watches]:
        if self._open is None:
            scope = Scope()
            self._open = scope, Watches(scope)
            self._watched = self._open[1].names
        return self._open
