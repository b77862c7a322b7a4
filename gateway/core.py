"""The sequencer: every input passes here, in one total order, and is decided, committed and only then told.

Theory of operation. `offer` puts stimuli into a bounded mailbox. `_decide` takes up to a batch of them, runs each
through the twins and its facts through the rules (whose commands become stimuli of the same batch, to a limited
depth), and hands one `Batch` to the journal, which never waits. `_settle` waits for each batch to be on disk, in order,
then tells the listeners what was announced and calls back whoever offered. While a batch is written the next one is
decided: the order of the log, of the decisions and of the answers is one and the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import rules.instructions as wanted
from msgspec import Struct
from rules.rules import Rules

from gateway.timers import Timers
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from twins.exchange import Batch, Event, Outcome, Point, Ticket
from twins.instructions import Conflict, Fact, Forget, Instruction, Persist, Refuse, Remember
from twins.stimuli import Edit, Expired, Inferred, Stimulus, Updated
from twins.twin import Twins

logger = logging.getLogger(__name__)

BATCH = 256
DEPTH = 8
Done = Callable[[Outcome], None]
_ACCEPTED = Outcome()


class Journal(Protocol):
    """What keeps a batch."""

    def append(self, batch: Batch) -> Ticket: ...

    async def committed(self, ticket: Ticket) -> None: ...

    @property
    def pressure(self) -> float: ...


class Committed(Struct):
    """What one commit announced: handed to every listener after the batch is on disk."""

    instructions: list[Instruction]
    decisions: list[wanted.Instruction]
    events: list[Event]
    inferred: list[Inferred]


class Listener(Protocol):
    """Whoever carries out or shows what was committed. Must not block and must not fail."""

    def tell(self, committed: Committed) -> None: ...


class _Offer(Struct):
    stimuli: Sequence[Stimulus]
    done: Done | None


class _Work(Struct):
    """A batch on its way to the disk, with what follows from it."""

    batch: Batch
    committed: Committed
    settled: list[tuple[Done, Outcome]]


class CoreCounts(Struct):
    """What the sequencer did, for health and metrics."""

    stimuli: int = 0
    refused: int = 0
    facts: int = 0
    decisions: int = 0
    commands: int = 0
    loops_cut: int = 0
    batches: int = 0


class Core:
    """Owns the twins and the rules. Everybody else gets copies and offers stimuli."""

    def __init__(
        self, twins: Twins, rules: Rules, journal: Journal, timers: Timers, clock: Clock, *, intake: int = 8192
    ) -> None:
        self.counts = CoreCounts()
        self.twins = twins
        self.rules = rules
        self._journal = journal
        self._timers = timers
        self._clock = clock
        self._intake: Mailbox[_Offer] = Mailbox(intake)
        self._settling: Mailbox[tuple[Ticket, _Work]] = Mailbox(16)
        self._listeners: list[Listener] = []
        self._busy = 0

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None:
        """Take stimuli, waiting for room; `done` is called after their commit."""
        self._busy += 1
        await self._intake.put(_Offer(stimuli, done))

    def offer_nowait(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> bool:
        """Take stimuli, or say `False` when there is no room."""
        taken = self._intake.put_nowait(_Offer(stimuli, done))
        self._busy += taken
        return taken

    async def ask(self, stimulus: Stimulus, within: float = 5.0) -> Outcome:
        """Offer one stimulus and wait for what becomes of it."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        async with asyncio.timeout(within):
            await self.offer((stimulus,), done)
            return await answer

    @property
    def idle(self) -> bool:
        """True when all that was offered has been settled."""
        return self._busy == 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide(), name="core.decide")
            group.create_task(self._settle(), name="core.settle")
            group.create_task(self._timers.run(self._expire), name="core.timers")

    # -- deciding --------------------------------------------------------------------------------------------------

    async def _decide(self) -> None:
        while True:
            offers = await self._intake.take(BATCH)
            work = self._decided(offers)
            ticket = self._journal.append(work.batch)
            self.counts.batches += 1
            await self._settling.put((ticket, work))
            while self._journal.pressure > 0.8:
                await self._clock.sleep(0.01)

    def _decided(self, offers: Sequence[_Offer]) -> _Work:
        work = _Work(Batch(), Committed([], [], [], []), [])
        changed: set[str] = set()
        for offer in offers:
            outcome = _ACCEPTED
            for stimulus in offer.stimuli:
                refused = self._take(stimulus, work, changed, 0)
                outcome = refused or outcome
            if offer.done is not None:
                work.settled.append((offer.done, outcome))
            else:
                work.settled.append((_ignore, outcome))
        batch = work.batch
        for device in changed:
            batch.twins[device] = self.twins.encoded(device)
        return work

    def _take(self, stimulus: Stimulus, work: _Work, changed: set[str], depth: int) -> Outcome | None:
        """One stimulus through twins and rules; the refusal if it was refused."""
        self.counts.stimuli += 1
        if type(stimulus) is Expired:
            self._timers.fired(stimulus.timer, work.batch)
            self._follow(
                self.rules.expire(stimulus.timer, stimulus.seen, stimulus.cause), stimulus, work, changed, depth
            )
            return None
        if type(stimulus) is Inferred:
            work.batch.results.append(stimulus.result)
            work.committed.inferred.append(stimulus)
        refused: Outcome | None = None
        instructions = self.twins.handle(stimulus)
        work.committed.instructions += instructions
        for i in instructions:
            kind = type(i)
            if kind is Fact:
                self._fact(i, stimulus, work, changed, depth)
            elif kind is Persist or kind is Forget:
                changed.add(i.device)
            elif kind is Remember:
                work.batch.seen.append(i.seq)  # type: ignore[attr-defined]
            elif kind is Refuse:
                self.counts.refused += 1
                refused = Outcome(i.reason, i.code)  # type: ignore[attr-defined]
            elif kind is Conflict:
                self._event(_conflict(i, stimulus.seen), work)  # type: ignore[arg-type]
        return refused

    def _fact(self, fact: Instruction, stimulus: Stimulus, work: _Work, changed: set[str], depth: int) -> None:
        assert isinstance(fact, Fact)
        self.counts.facts += 1
        text = None if fact.number is not None and fact.number == fact.number else fact.value
        work.batch.points.append(Point(f"{fact.device}/{fact.name}", fact.at, fact.seq, fact.number, text))
        decided = self.rules.handle(fact, stimulus.seen)
        if decided:
            self._follow(decided, stimulus, work, changed, depth)

    def _follow(
        self,
        decided: Sequence[wanted.Instruction],
        stimulus: Stimulus,
        work: _Work,
        changed: set[str],
        depth: int,
    ) -> None:
        """Carry what the rules want into the batch; their commands are stimuli of the same batch."""
        batch = work.batch
        work.committed.decisions += decided
        for d in decided:
            match d:
                case wanted.Keep():
                    batch.rules[d.key] = d.body
                case wanted.Drop():
                    batch.rules[d.key] = None
                case wanted.Wake():
                    self._timers.set(d.timer, d.due, d.body, batch)
                case wanted.Raise():
                    self._event(d.event, work)
                case wanted.Decided():
                    self.counts.decisions += 1
                case wanted.Command():
                    self._command(d, stimulus, work, changed, depth)
                case _:
                    pass

    def _command(self, command: wanted.Command, stimulus: Stimulus, work: _Work, changed: set[str], depth: int) -> None:
        if depth >= DEPTH:
            self.counts.loops_cut += 1
            message = (
                f"rule {command.rule} answers its own commands: cut after {DEPTH} rounds; look for a loop of rules"
            )
            event = Event(f"{command.cause}:loop", stimulus.seen, "rule", command.rule, "error", message, command.cause)
            self._event(event, work)
            return
        self.counts.commands += 1
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in command.values.items()}
        update = Updated(command.device, command.cause, stimulus.seen, edits, stimulus.seen, origin="edge")
        refused = self._take(update, work, changed, depth + 1)
        if refused is not None:
            message = f"rule {command.rule} can't set {command.device}: {refused.refused}"
            identity = f"{command.cause}:{command.rule}:refused"
            self._event(Event(identity, stimulus.seen, "rule", command.rule, "warning", message, command.cause), work)

    def _event(self, event: Event, work: _Work) -> None:
        work.batch.events.append(event)
        work.committed.events.append(event)

    async def _expire(self, timer: str, due: int, cause: str) -> None:
        await self.offer((Expired("", cause, self._clock.now(), timer, due),))

    # -- settling --------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        while True:
            for ticket, work in await self._settling.take(16):
                await self._journal.committed(ticket)
                self._tell(work)

    def _tell(self, work: _Work) -> None:
        for done, outcome in work.settled:
            done(outcome)
        for listener in self._listeners:
            listener.tell(work.committed)
        self._busy -= len(work.settled)


def _ignore(outcome: Outcome) -> None:
    """For stimuli that nobody waits for."""


def _conflict(i: Conflict, seen: int) -> Event:
    message = (
        f"{i.name} was set to {i.edge!r} here and to {i.cloud!r} in the cloud while they were apart: the cloud's holds"
    )
    detail = {"edge": i.edge or "", "cloud": i.cloud or ""}
    return Event(f"{i.cause}:{i.device}:{i.name}:conflict", seen, "twin", i.device, "warning", message, i.cause, detail)
