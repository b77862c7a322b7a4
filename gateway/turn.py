"""One turn of the sequencer: some stimuli through twins and rules, gathered into one batch.

No I/O and no clock: the same stimuli in the same order make the same batch, which is what lets a log be replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

import rules.instructions as wanted
from gateway import notices
from gateway.chains import START, Chains
from gateway.committed import Committed
from gateway.deeds import Deeds
from gateway.flow import KINDS, LEARNED, Flow
from gateway.timers import Timers, lasts
from gateway.waits import Waits
from gateway.watch import Watch
from learning.knowledge import Knowledge
from rules.account import written
from rules.alarms import detector as alarms
from rules.alarms import order as orders
from rules.manifest.alarm import decode as alarm
from rules.manifest.detector import decode as detector
from rules.rules import Rules
from streams.streams import Streams
from twins.errors import Rejected
from twins.exchange import DESIRED, Batch, Event, Outcome, Point
from twins.instructions import (
    CLOUD_TOPIC,
    Actuate,
    Conflict,
    Fact,
    Forget,
    Instruction,
    Persist,
    Refuse,
    Revision,
    Status,
    Verdicts,
)
from twins.kinds import TEXT_KINDS, read, words
from twins.stimuli import (
    Applied,
    Confirmed,
    Expired,
    Heard,
    Inferred,
    Learned,
    Noted,
    Ordered,
    Queued,
    Recorded,
    Stimulus,
    Updated,
)
from twins.twin import Twins
from twins.values import Property

ACCEPTED = Outcome()


class Counts(Struct):
    """What the sequencer did, for health and metrics."""

    stimuli: int = 0
    refused: int = 0
    failed: int = 0
    points: int = 0
    decisions: int = 0
    commands: int = 0
    loops_cut: int = 0
    unreported: int = 0
    conflicts: int = 0
    batches: int = 0


class Turn:
    """Gathers what a batch of stimuli changes, stores and announces."""

    def __init__(
        self,
        twins: Twins,
        rules: Rules,
        streams: Streams,
        timers: Timers,
        waits: Waits,
        chains: Chains,
        watch: Watch,
        counts: Counts,
        knowledge: Knowledge | None = None,
    ) -> None:
        self.batch = Batch()
        self.committed = Committed()
        self._twins = twins
        self._rules = rules
        self._timers = timers
        self._waits = waits
        self._watch = watch
        self._counts = counts
        self._written: dict[str, None] = {}  # in order, unlike a set
        self._flow = Flow(streams, Knowledge() if knowledge is None else knowledge, rules.watches, self.batch)
        self._deeds = Deeds(self, twins, rules, waits, chains, timers, counts, self.batch)
        b, c = self.batch, self.committed
        stored: tuple[list[Any], ...] = (b.points, b.results, b.seen)
        self._parts = [*stored, c.said, c.orders, c.inferred, c.applied, c.statuses]
        self._look()

    def take(self, stimuli: Sequence[Stimulus]) -> Outcome:
        """Take stimuli that were offered together; the first refusal if one was refused."""
        outcome = ACCEPTED
        for stimulus in stimuli:
            self._deeds.chain = START
            refused = self.take_one(stimulus, 0)
            if refused is not None and outcome is ACCEPTED:
                outcome = refused
        return outcome

    def follow(self, decided: Sequence[wanted.Instruction]) -> None:
        """Carry what rules wrote of themselves into the batch when no stimulus led to it: at a start."""
        self._write_all(decided)

    def mark(self) -> list[int]:
        """Where the batch and what it announces stand now, for `forget`."""
        return list(map(len, self._parts))

    def forget(self, mark: list[int]) -> None:
        """Announce and store nothing of what was gathered since `mark`: its input failed, and may come again.

        What rules decided holds, with what is told of it and what is to be done: they are in their new states.
        """
        for part, length in zip(self._parts, mark, strict=True):
            del part[length:]

    def close(self) -> Batch:
        """The batch, with every changed twin and rule state as it is now."""
        self._counts.points += len(self.batch.points)
        for device in self._written:
            self.batch.twins[device] = self._twins.encoded(device)
        self._write_all(self._rules.changes())
        self._timers.mark(self.batch)
        for event in self._flow.close(self._timers):
            self.announce(event)
        return self.batch

    def _look(self) -> None:
        """Read the clocks. If the wall clock was set, timers go on, and times of day go by the new one."""
        jump = self._timers.steady.look()
        if jump:
            now = self._timers.steady.mark().wall
            self.announce(notices.jump(jump, now))
            self._write_all(self._rules.set_clock(now, jump))

    def take_one(self, stimulus: Stimulus, depth: int) -> Outcome | None:
        self._counts.stimuli += 1
        if type(stimulus) is Expired:
            self._expire(stimulus)
            return None
        if type(stimulus) is Applied:
            return self._apply(stimulus)
        if type(stimulus) is Ordered:
            return self._order(stimulus)
        if type(stimulus) is Noted:
            self._note(stimulus.event)
            return None
        if type(stimulus) is Queued:
            self.batch.outbox |= stimulus.rows
            self.committed.queued |= stimulus.rows
            return None
        if type(stimulus) is Recorded:
            self._evaluate_all(self._flow.keep_all(stimulus), stimulus, depth)
            return None
        if type(stimulus) is Heard:
            self._evaluate_all(self._rules.facts(stimulus), stimulus, depth)
            return None
        if type(stimulus) is Learned:
            self._evaluate_all(self._flow.learn(stimulus), stimulus, depth)
            return None
        if type(stimulus) is Inferred:
            self.batch.results.append(stimulus.result)
            self.committed.inferred.append(stimulus)
        refused: Outcome | None = None
        for i in self._twins.handle(stimulus):
            if type(i) is Revision:
                self._revise(i, stimulus, depth)
            else:
                refused = self._told(i, stimulus, depth) or refused
        return refused

    def _revise(self, i: Revision, stimulus: Stimulus, depth: int) -> None:
        """What was reported becomes points, and facts where a rule looks; it is told before what those set off.

        A desired value that changed is a point of its own history.
        """
        device, cause, seq = i.device, i.cause, i.seq
        self._written[device] = None
        self.committed.changed.setdefault(device, cause)
        self.committed.said.append(i)
        if i.digest:
            self.batch.seen.append(i.digest)
        points, watches, flow = self.batch.points, self._rules.watches, self._flow
        facts: list[Fact] = []
        for name, c in i.changes.items():
            if (d := c.current.desired) is not None and (c.last is None or _asked(c.last) != d.value):
                points.append(_wish(device, name, d.value, d.at, d.version.edge, d.version.cloud))
                if watches(name, "desired"):
                    facts.append(_wished(device, cause, name, d.value, read(c.current.kind, d.value), d.at))
            reported, kind, number = c.current.reported, c.current.kind, c.number
            if c.at is None or reported is None:
                continue
            value, text = reported.value, kind in TEXT_KINDS
            if self._waits and not c.current.drifts:
                self._deeds.reported(device, name)
            point = Point(f"{device}/{name}", c.at, seq, number, words(kind, value, number))
            if watches(name):
                facts.append(Fact(device, cause, name, value, number, c.at, seq, c.reported_changed, text))
            if flow.runs:
                facts += flow.keep(point, stimulus)
            else:
                points.append(point)
        for name, last in i.gone.items():
            if last is not None and (d := last.desired) is not None and d.value:
                points.append(_wish(device, name, "", stimulus.seen, d.version.edge + 1, d.version.cloud))
                if watches(name, "desired"):
                    facts.append(_wished(device, cause, name, "", None, stimulus.seen))
        self._evaluate_all(facts, stimulus, depth)

    def _persist(self, i: Instruction, stimulus: Stimulus) -> None:
        self._written[i.device] = None
        if type(stimulus) is not Confirmed:  # what the cloud has confirmed is news to nobody
            self.committed.changed.setdefault(i.device, i.cause)

    def _told(self, i: Instruction, stimulus: Stimulus, depth: int) -> Outcome | None:
        """Sort what is said by who has to hear it; the refusal if it is one."""
        match i:
            case Persist():
                self._persist(i, stimulus)
            case Actuate():
                self.committed.orders.append(i)
            case Fact():
                self.hear(i, stimulus, depth)
            case Forget():
                self._persist(i, stimulus)
                self.carry(self._rules.alarms.forget(i.device, i.cause, stimulus.seen), stimulus, depth)
                self.carry(self._rules.forget(i.device), stimulus, depth)
                self._evaluate_all(self._flow.forget(i.device, stimulus), stimulus, depth)
            case Status():
                self.committed.statuses.append(i)
            case Conflict():
                self._counts.conflicts += 1
                self.announce(notices.conflict(i, stimulus.seen))
            case Verdicts():
                return Outcome(verdicts=i.verdicts)
            case Refuse():
                self._counts.refused += 1
                self.committed.said.append(i)
                if i.topic == CLOUD_TOPIC and i.code == 403:
                    self._note(notices.intrusion(i, stimulus.seen))
                return Outcome(i.reason, i.code)
            case _:
                self.committed.said.append(i)
        return None

    def hear(self, fact: Fact, stimulus: Stimulus, depth: int) -> None:
        text = fact.value if fact.number is None or fact.text else None
        point = Point(f"{fact.device}/{fact.name}", fact.at, fact.seq, fact.number, text)
        self._evaluate_all([fact, *self._flow.keep(point, stimulus)], stimulus, depth)

    def _evaluate_all(self, facts: Sequence[Fact], stimulus: Stimulus, depth: int) -> None:
        for fact in facts:
            self._evaluate(fact, stimulus, depth)

    def _evaluate(self, fact: Fact, stimulus: Stimulus, depth: int) -> None:
        decided = self._rules.handle(fact, stimulus.seen, self._timers.steady.of(stimulus.seen))
        if decided:
            before = self._deeds.goes_on(fact)
            self.carry(decided, stimulus, depth)
            self._deeds.chain = before

    def _expire(self, expired: Expired) -> None:
        if not self._timers.fired(expired.timer, expired.due, self.batch):
            return
        if self._deeds.expire(expired):
            return
        if self._flow.owns(expired.timer):
            self._evaluate_all(self._flow.expire(expired), expired, 0)
        else:
            steady = self._timers.steady.of(expired.seen)
            if lasts(expired.timer):  # what rang is due, however coarsely the two clocks were read
                steady = max(expired.due, steady)
            self.carry(self._rules.expire(expired.timer, expired.seen, expired.cause, steady), expired, 0)

    def _apply(self, applied: Applied) -> Outcome | None:
        """Write a manifest with this batch; a rule or a query holds from here on, or is refused and not written."""
        try:
            if applied.kind in ("Detector", "Alarm"):
                self.carry(self._rule(applied), applied, 0)
            elif applied.kind in KINDS or applied.kind in LEARNED:
                self._evaluate_all(self._flow.apply(applied), applied, 0)
        except Rejected as error:
            return Outcome(error.reason, error.code)
        self.batch.manifests[applied.kind, applied.name] = applied.body
        self.committed.applied.append(applied)
        return None

    def _rule(self, applied: Applied) -> list[wanted.Instruction]:
        rules, name = self._rules, applied.name
        if applied.kind == "Alarm":
            return self._alarm(applied)
        if applied.body is None:
            return rules.remove(name)
        return rules.apply(detector(msgspec.json.decode(applied.body), name), applied.seen, applied.cause)

    def _alarm(self, applied: Applied) -> list[wanted.Instruction]:
        known, cause, now = self._rules.alarms, applied.cause, applied.seen
        if applied.body is None:
            return known.remove(applied.name, cause, now)
        return known.apply(alarm(msgspec.json.decode(applied.body), applied.name), cause, now)

    def _order(self, ordered: Ordered) -> Outcome | None:
        """A command to an alarm: what is overdue of it comes first, for it may have moved on."""
        rules, cause, now = self._rules, ordered.cause, ordered.seen
        steady = self._timers.steady.of(now)
        self.carry(rules.catch_up(alarms.name(ordered.alarm), ordered.key, now, cause, steady), ordered, 0)
        order = orders.read(ordered.order)
        if order is None:
            return Outcome(f"{ordered.order[:40]!r} is no command to an alarm", 400)
        try:
            fact = rules.alarms.take(ordered.alarm, ordered.key, order, cause, now)
        except Rejected as error:
            return Outcome(error.reason, error.code)
        self._evaluate(fact, ordered, 0)
        return None

    def carry(self, decided: Sequence[wanted.Instruction], stimulus: Stimulus, depth: int) -> None:
        """Carry what the rules want into the batch; their commands and signals are inputs of the same batch."""
        self.committed.decisions += decided
        for d in decided:
            if isinstance(d, (wanted.Command, wanted.Signal, wanted.Write)):
                self._deeds.do(d, stimulus, depth)
            elif isinstance(d, wanted.Explained):
                self.batch.decisions.append(written(d.evaluation, stimulus.topic if type(stimulus) is Updated else ""))
            else:
                self._write(d)
                if isinstance(d, wanted.Decided) and d.before != d.after:
                    self._deeds.tell_followers(d, stimulus, depth)

    def _write_all(self, decided: Sequence[wanted.Instruction]) -> None:
        self.committed.decisions += decided
        for d in decided:
            self._write(d)

    def _write(self, d: wanted.Instruction) -> None:
        batch = self.batch
        match d:
            case wanted.Keep():
                batch.rules[d.key] = d.body
            case wanted.Drop():
                batch.rules[d.key] = None
            case wanted.Wake():
                self._timers.set(d.timer, d.due, d.body, batch, pauses=d.pauses)
            case wanted.Raise():
                self.announce(d.event)
            case wanted.Decided():
                self._counts.decisions += 1
            case _:
                pass

    def _note(self, event: Event) -> None:
        """An event from outside; those that somebody else can bring about are watched."""
        told = self._watch.tell(event) if event.kind == "security" else event
        if told is not None:
            self.announce(told)

    def announce(self, event: Event) -> None:
        self.batch.events.append(event)
        self.committed.events.append(event)


def _asked(last: Property) -> str | None:
    return None if last.desired is None else last.desired.value


def _wished(device: str, cause: str, name: str, value: str, number: float | None, at: int) -> Fact:
    """A desired value as an input of rules, empty when it was taken back."""
    return Fact(device, cause, name, value, number, at, 0, source="desired")


def _wish(device: str, name: str, value: str, at: int, edge: int, cloud: int) -> Point:
    """A desired value as a point of its own history, empty when it was taken back; its number is its version."""
    return Point(f"{DESIRED}{device}/{name}", at, edge << 32 | cloud, read("string", value), value)
