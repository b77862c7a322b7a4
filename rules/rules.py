"""All rules of the gateway: facts and due timers in, instructions out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from copy import copy

from rules import lint
from rules.alarms.alarms import Alarms
from rules.explain import Counts, Evaluation
from rules.expression import Scope
from rules.instance import Record, revive
from rules.instructions import Decided, Drop, Instruction, Keep, Raise, Signal, Wake
from rules.late import Start, take_up
from rules.machine import Machine
from rules.manifest.detector import Detector
from rules.manifest.form import InputType, Scalar
from rules.manifest.schedule import AT
from rules.migration import check, drop, inherit, migrate, reset, told
from rules.view import InstanceView, View, instance, view
from rules.watch import Watches
from rules.window import find_zone
from twins.errors import Broken, Rejected
from twins.instructions import Fact


class Rules:
    """The detectors and their instances, owned by the sequencer.

    `zone` is the site's time zone (IANA name), `limit` the most instances of all detectors together, `history` how
    many evaluations each detector remembers. Facts that would need an instance more are counted in `turned_away`.
    """

    def __init__(self, zone: str = "UTC", *, limit: int = 200_000, history: int = 64) -> None:
        find_zone(zone)
        self.turned_away = 0
        self.alarms = Alarms(self, zone)
        self._zone = zone
        self._limit = limit
        self._history = history
        self._machines: dict[str, Machine] = {}
        self._waiting: dict[str, dict[str, Record]] = {}
        self._found: dict[str, tuple[int, bytes]] = {}
        self._start: Start | None = None
        self._ahead = 0
        self._evaluated: dict[Record, Machine] = {}
        self._gone = Counts()
        self._open: tuple[Scope, Watches] | None = None
        self._watched: Collection[str] = ()

    def watches(self, name: str) -> bool:
        """True when a fact of this name may concern an instance."""
        return name in self._watched

    @property
    def detectors(self) -> dict[str, Detector]:
        """The detectors by `namespace/name`."""
        return {name: machine.detector for name, machine in self._machines.items()}

    def apply(self, detector: Detector, now: int = 0, cause: str = "", *, checked: bool = False) -> list[Instruction]:
        """Add a detector or put it in place of its older self. Raises `Rejected`, and then nothing has changed.

        `now`, microseconds UTC, is when, and `cause` what led to it. Instances go on, or not, as `migration` tells.
        One that is `checked` has passed `lint.check`.
        """
        old = self._machines.get(detector.id)
        if old is not None and old.detector == detector:
            return []
        if not checked:
            lint.check(detector, self._zone)
        scope, watches = self._opened()
        records = self._waiting.get(detector.id, {}) if old is None else old.records
        if old is not None:
            check(detector, old.detector, records.values())
            self._gone.add(old.story.counts)
        machine = Machine(detector, scope, self._zone, self._history)
        self._machines[detector.id] = machine
        watches.add(machine)
        if old is None:
            return self._take_up(machine, now, cause)
        watches.remove(old)
        agenda = machine.agenda.begin(now, old.agenda)
        if detector.spec.migration == "reset":
            return [*agenda, *reset(machine.id, records, "its manifest was changed", now, cause)]
        return [*agenda, *(each for record in records.values() for each in migrate(machine, old.detector, record))]

    def remove(self, name: str) -> list[Instruction]:
        """Remove the detector `namespace/name` and its instances."""
        machine = self._machines.pop(name, None)
        if machine is None:
            return drop(name, self._waiting.pop(name, {}))
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
        self._start = start
        self._found = timers
        out: list[Instruction] = []
        lost: dict[str, list[str]] = {}
        for key, body in states.items():
            name, instance = _split(key)
            record = revive(instance, body)
            if record is None:
                lost.setdefault(name, []).append(instance)
                out += [Decided(name, instance, "reset", "", "", ""), Drop(key)]
            else:
                self._waiting.setdefault(name, {})[instance] = record
        for timer, (due, _) in timers.items():
            key, _, clock = timer.rpartition("#")
            name, instance = _split(key)
            record = self._waiting.get(name, {}).get(instance)
            if record is not None:
                record.timers[clock] = due
        now = 0 if start is None else start.now
        out += [Raise(told(name, keys, "what was kept cannot be read", now, "")) for name, keys in lost.items()]
        for machine in self._machines.values():
            out += self._take_up(machine, now, "")
        return out

    def set_clock(self, now: int, jump: int) -> list[Instruction]:
        """The wall clock was set to `now`, by `jump` microseconds: schedules go by it, timers do not."""
        return [each for machine in self._machines.values() for each in machine.agenda.set_clock(now, jump)]

    def changes(self) -> list[Instruction]:
        """What is to be written of the instances that were evaluated since the last call: once each, however often."""
        out: list[Instruction] = []
        for record, machine in self._evaluated.items():
            if machine.records.get(record.key) is not record or self._machines.get(machine.id) is not machine:
                continue  # it was dropped, or goes on under another machine, which wrote it
            body = record.news()
            if body is not None:
                out.append(Keep(f"{machine.id}/{record.key}", body))
        self._evaluated.clear()
        return out

    def handle(self, fact: Fact, now: int, steady: int | None = None) -> list[Instruction]:
        """Evaluate a fact that arrived at `now`, microseconds UTC, in every instance it concerns.

        `steady` is the same moment on the scale of the timers, which no jump of the wall clock touches; it is `now`
        where the clock does not jump. Its new state is in `changes`, which must be written in the same commit.
        """
        out: list[Instruction] = []
        if self._open is None or fact.name not in self._watched:
            return out
        steady = self._at(now, steady)
        for machine, name, key, read in self._open[1].of(fact):
            out += self._take(machine, key, name, read(fact), fact, now, steady)
        return out

    def signal(self, signal: Signal, device: str, now: int, steady: int | None = None) -> list[Instruction]:
        """Evaluate what one rule tells another, about a device or none. Raises `Rejected` where nobody can hear it."""
        machine = self._machines.get(signal.detector)
        given = None if machine is None else machine.detector.spec.inputs.get(signal.input)
        if machine is None or given is None:
            msg = f"there is no rule {signal.detector} with an input {signal.input}"
            raise Rejected(msg, 404)
        if not isinstance(signal.value, _TYPES[given.type]):
            msg = f"the input {signal.input} of {signal.detector} takes a {given.type}, not {signal.value!r}"
            raise Rejected(msg)
        fact = Fact(device, signal.cause, signal.input, "", None, now, 0)
        return self._take(machine, signal.key, signal.input, signal.value, fact, now, self._at(now, steady))

    def fail(
        self, rule: str, label: str, device: str, cause: str, now: int, steady: int | None = None
    ) -> list[Instruction]:
        """The device has not reported in time what the action at `label` of an instance asked of it."""
        name, instance = _split(rule)
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(instance)
        if machine is None or record is None:
            return []
        steady = self._at(now, steady)
        out = _catch_up(machine, record, cause, now, steady)
        self._evaluated[record] = machine
        return out + machine.fail(record, label, device, cause, now, steady)

    def _take(
        self, machine: Machine, key: str, name: str, value: Scalar | None, fact: Fact, now: int, steady: int
    ) -> list[Instruction]:
        """Evaluate an input of one instance, which may be new."""
        out: list[Instruction] = []
        record = machine.records.get(key)
        if record is None:
            if self.instances >= self._limit:
                self.turned_away += 1
                return out
            record = machine.create(key, now)
        elif record.timers:
            out += _catch_up(machine, record, fact.cause, now, steady)
        self._evaluated[record] = machine
        return out + machine.take(record, name, value, fact.device, fact.cause, now, steady, fact.at)

    def expire(self, timer: str, now: int, cause: str, steady: int | None = None) -> list[Instruction]:
        """Evaluate a timer or a schedule. One that was cleared or has run already does nothing; one not yet due is set
        again.
        """
        steady = self._at(now, steady)
        key, _, clock = timer.rpartition("#")
        name, instance = _split(key)
        machine = self._machines.get(name)
        if machine is not None and clock.startswith(AT):
            return self._strike(machine, clock.removeprefix(AT), now, cause, steady)
        record = None if machine is None else machine.records.get(instance)
        if machine is None or record is None or clock not in record.timers:
            return []
        due = record.timers[clock]
        if due > steady:
            return [Wake(timer, due, cause.encode(), clock in machine.plan.pausing)]
        self._evaluated[record] = machine
        return _catch_up(machine, record, cause, now, steady)

    def catch_up(self, name: str, key: str, now: int, cause: str, steady: int | None = None) -> list[Instruction]:
        """Evaluate the timers of one instance of the detector `namespace/name` that are overdue."""
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(key)
        if machine is None or record is None:
            return []
        self._evaluated[record] = machine
        return _catch_up(machine, record, cause, now, self._at(now, steady))

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
        """When a timer of an instance is due; `None` when it is not set."""
        machine = self._machines.get(name)
        record = None if machine is None else machine.records.get(key)
        return None if record is None else record.timers.get(timer)

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

    def _take_up(self, machine: Machine, now: int, cause: str) -> list[Instruction]:
        """Let the instances that wait for this machine go on, and its schedules."""
        start, found = self._start, self._found
        out: list[Instruction] = []
        out += machine.agenda.begin(now) if start is None else machine.agenda.resume(found, now, start.back)
        out += inherit(machine, self._waiting.pop(machine.id, {}), now, cause)
        if start is not None:
            for record in machine.records.values():
                out += take_up(machine, record, found, start, again=now > start.now)
        if not self._waiting:
            self._found = {}
        return out

    def _strike(self, machine: Machine, name: str, now: int, cause: str, steady: int) -> list[Instruction]:
        """Evaluate a schedule in every instance, by key. A rule whose key is a constant has its one instance then."""
        due = machine.agenda.due.get(name)
        if due is None or due > now:
            return [] if due is None else [machine.agenda.move(name, due - 1)]
        out: list[Instruction] = [machine.agenda.move(name, now)]
        single = machine.detector.spec.key
        keys = sorted(machine.records)
        if not keys and single != "device" and "${" not in single and self.instances < self._limit:
            keys = [single]
        for key in keys:
            record = machine.records.get(key) or machine.create(key, now)
            self._evaluated[record] = machine
            if record.timers:
                out += _catch_up(machine, record, cause, now, steady)
            out += machine.strike(record, name, due, cause, now, steady)
        return out

    def _opened(self) -> tuple[Scope, Watches]:
        if self._open is None:
            scope = Scope()
            self._open = scope, Watches(scope)
            self._watched = self._open[1].names
        return self._open


def _catch_up(machine: Machine, record: Record, cause: str, now: int, steady: int) -> list[Instruction]:
    """Evaluate all timers of an instance that are due, the earliest first. Each is gone or moved on afterwards."""
    out: list[Instruction] = []
    while record.timers and (timer := record.overdue(steady)) is not None:
        due = record.timers[timer]
        out += machine.expire(record, timer, cause, now, steady)
        if record.timers.get(timer) == due:
            msg = f"timer {timer!r} of {machine.id}/{record.key} is overdue still after it was evaluated"
            raise Broken(msg)
    return out


def _split(key: str) -> tuple[str, str]:
    """`namespace/detector/instance` in two; the instance may hold slashes itself."""
    namespace, _, rest = key.partition("/")
    name, _, instance = rest.partition("/")
    return f"{namespace}/{name}", instance


_TYPES: dict[InputType, type] = {"number": float, "boolean": bool, "string": str}
