"""The sequencer: every input passes here, in one total order, and is decided, committed and only then told.

Theory of operation. `offer` puts stimuli into a bounded mailbox. `_decide` takes up to a batch of them, runs each
through the twins and its facts through the rules (a `Turn`), and hands one `Batch` to the journal, which never waits.
`_settle` waits for each batch to be on disk, in order, then calls back whoever offered and tells the listeners what was
announced. While a batch is written the next one is decided: the order of the log, of the decisions and of the answers
is one and the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.chains import Chains
from gateway.committed import Committed
from gateway.timers import Timers
from gateway.turn import Counts, Turn
from gateway.waits import Waits
from gateway.watch import Watch
from learning.knowledge import Knowledge
from rules.instructions import Instruction
from rules.rules import Rules
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from streams.streams import Streams
from twins.errors import Broken
from twins.exchange import Batch, OutboxRow, Outcome, Ticket
from twins.stimuli import Expired, Stimulus
from twins.twin import Twins

logger = logging.getLogger(__name__)

BATCH = 256
"""Offers in one batch."""
HIGH_PRESSURE = 0.8
"""Above this the intake slows down: the disk is behind."""
Done = Callable[[Outcome], None]


class Journal(Protocol):
    """What keeps a batch."""

    def append(self, batch: Batch) -> Ticket: ...

    async def committed(self, ticket: Ticket) -> None: ...

    @property
    def pressure(self) -> float: ...


class Listener(Protocol):
    """Whoever carries out or shows what was committed. Must not block and must not fail."""

    def tell(self, committed: Committed) -> None: ...


class Keeper(Protocol):
    """Who says what of a commit has to be kept for somebody, in this same commit. Must not block and must not fail."""

    def kept(self, committed: Committed) -> Sequence[OutboxRow]: ...


class _Offer(Struct):
    stimuli: Sequence[Stimulus]
    done: Done | None


class _Work(Struct):
    """A batch on its way to the disk, with what follows from it."""

    ticket: Ticket
    committed: Committed
    settled: list[tuple[Done | None, Outcome]]


class Core:
    """Owns twins, rules, streams and what is known of series. Everybody else gets copies and offers stimuli."""

    def __init__(
        self,
        twins: Twins,
        rules: Rules,
        streams: Streams,
        journal: Journal,
        timers: Timers,
        clock: Clock,
        *,
        intake: int = 8192,
        knowledge: Knowledge | None = None,
    ) -> None:
        self.counts = Counts()
        self.twins = twins
        self.rules = rules
        self.streams = streams
        self.knowledge = Knowledge() if knowledge is None else knowledge
        self._journal = journal
        self._timers = timers
        self._clock = clock
        self.waits = Waits()
        """What rules wait for."""
        self._chains = Chains()
        self._watch = Watch()
        self._intake: Mailbox[_Offer] = Mailbox("intake", intake)
        self._settling: Mailbox[_Work] = Mailbox("settling", 16)
        self._listeners: list[Listener] = []
        self._keepers: list[Keeper] = []
        self._settled = 0

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every commit from now on, in order."""
        self._listeners.append(listener)

    def keep(self, keeper: Keeper) -> None:
        """Write with every commit from now on what `keeper` wants kept of it."""
        self._keepers.append(keeper)

    def resume(self, decided: Sequence[Instruction]) -> None:
        """Take what the rules decided when they and the streams were taken up again, before `run`: the first batch."""
        if decided or len(self.streams) + len(self.knowledge):
            turn = self._turn()
            turn.follow(decided)
            self._settling.offer_nowait(self._append(turn, []))

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None:
        """Take stimuli, waiting for room; `done` is called after their commit."""
        await self._intake.put(_Offer(stimuli, done))

    def offer_nowait(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> bool:
        """Take stimuli, or say `False` when there is no room."""
        return self._intake.offer_nowait(_Offer(stimuli, done))

    async def ask(self, *stimuli: Stimulus, within: float = 10.0) -> Outcome:
        """Offer stimuli together and wait for what becomes of them; `TimeoutError` after `within` seconds."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        async with asyncio.timeout(within):
            await self.offer(stimuli, done)
            return await answer

    @property
    def idle(self) -> bool:
        """True when all that was offered has been settled."""
        intake = self._intake.statistics
        return intake.depth == intake.waiting == 0 and intake.taken == self._settled

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide(), name="core.decide")
            group.create_task(self._settle(), name="core.settle")
            group.create_task(self._timers.run(self._expire), name="core.timers")

    async def _decide(self) -> None:
        while True:
            offers = await self._intake.take(BATCH)
            turn = self._turn()
            settled = [(offer.done, self._taken(turn, offer)) for offer in offers]
            await self._settling.put(self._append(turn, settled))
            await asyncio.sleep(0)  # neither call above waits while there is work: sockets and answers get their turn
            while self._journal.pressure > HIGH_PRESSURE:
                await self._clock.sleep(0.01)

    def _taken(self, turn: Turn, offer: _Offer) -> Outcome:
        """What becomes of one offer. A fault of ours in it is its own: it is told and counted, the others go on."""
        mark = turn.mark()
        try:
            return turn.take(offer.stimuli)
        except Broken:
            raise
        except Exception:  # one input must not stop all others, nor come again for ever
            turn.forget(mark)
            self.counts.failed += 1
            logger.exception("the gateway failed on %s", [s.cause for s in offer.stimuli])
            return Outcome("the gateway failed on this input; its log says why", 500)

    def _turn(self) -> Turn:
        return Turn(
            self.twins,
            self.rules,
            self.streams,
            self._timers,
            self.waits,
            self._chains,
            self._watch,
            self.counts,
            self.knowledge,
        )

    def _append(self, turn: Turn, settled: list[tuple[Done | None, Outcome]]) -> _Work:
        self.counts.batches += 1
        batch, committed = turn.close(), turn.committed
        rows = {row.key: row for keeper in self._keepers for row in keeper.kept(committed)}
        batch.outbox |= rows
        committed.queued |= rows
        return _Work(self._journal.append(batch), committed, settled)

    async def _settle(self) -> None:
        while True:
            for work in await self._settling.take(16):
                await self._journal.committed(work.ticket)
                for done, outcome in work.settled:
                    if done is not None:
                        done(outcome)
                for listener in self._listeners:
                    listener.tell(work.committed)
                self._settled += len(work.settled)

    async def _expire(self, timer: str, due: int, cause: str) -> None:
        await self.offer((Expired("", cause, self._clock.now(), timer, due),))
