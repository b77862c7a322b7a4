"""What rules want done outside, carried out after the commit that decided it.

Theory of operation. An action is a row of the outbox, written in the commit of its decision (`kept`), and waits in the
lane of its target (`tell`). It is tried until it is done, or fails for good, or is too old, or has to go for the quota;
that, its record and the deletion of its row are one commit again. A crash between the deed and that commit repeats the
deed after the restart, under the same id: outside that is the key of idempotency, and what an action does to twins and
series is in the very commit that deletes its row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from gateway.actions import record
from gateway.actions.lanes import Lanes, Waiting
from gateway.actions.record import Done, Outcome
from gateway.actions.task import DAY, PREFIX, Finished, Perform, read, row
from gateway.committed import Committed
from gateway.core import Core
from rules.instructions import Act, Held, Rehearsed
from rules.tasks import Post, Task
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Event, OutboxRow
from twins.stimuli import Noted, Queued, Recorded, Stimulus

logger = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two looks for what has grown too old, and for what is to be told of a minute."""
GATHER = 0.05
"""Seconds in which records gather before their commit; what a kill finds then is done again, under the same id."""
CLOSE = 1024
"""Records that may wait for their commit; then nothing more is begun."""


class Counts(Struct):
    """queued = done + failed + dropped + those that wait. `held` and `rehearsed` were never queued."""

    queued: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    held: int = 0
    dropped: int = 0
    rehearsed: int = 0


class Actions:
    """A keeper and a listener of the core, and a door.

    `performers` say how each kind of task is done; `close` ends what they share.
    """

    def __init__(
        self,
        core: Core,
        clock: Clock,
        next_cause: Callable[[], str],
        performers: Mapping[type[Task], Perform],
        quota: int,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.counts = Counts()
        self.lanes = Lanes(quota)
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._performers = performers
        self._close_all = close
        self._teller = record.Teller()
        self._wake = asyncio.Event()
        self._settled: list[Stimulus] = []
        self._ripe = asyncio.Event()

    # -- with the core ---------------------------------------------------------------------------------------------

    def kept(self, committed: Committed) -> Sequence[OutboxRow]:
        """The rows of what a commit decided to do."""
        return [row(each) for each in committed.decisions if type(each) is Act]

    def tell(self, committed: Committed) -> None:
        """These are on disk: do them."""
        for each in committed.decisions:
            if type(each) is Act:
                self._add(each, committed.queued[PREFIX + each.id])
            elif type(each) is Held:
                self.counts.held += 1
            elif type(each) is Rehearsed:
                self.counts.rehearsed += 1

    def restore(self, rows: Sequence[OutboxRow]) -> None:
        """Take up what was not done before a restart."""
        for kept in rows:
            if kept.kind != "action":
                continue
            try:
                self._add(read(kept), kept)
            except msgspec.DecodeError:
                logger.exception("%s was kept by another version and can't be done", kept.key)
                self._finish(Queued("", kept.cause, self._clock.now(), {kept.key: None}))

    # -- at work ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; what is under way then stays on disk, and is done after the next start."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._settle(), name="actions.settle")
                group.create_task(self._look(), name="actions.look")
                while True:
                    self._begin(group)
                    await self._news()
        finally:
            await self._close_all()
            stimuli, self._settled = self._settled, []
            if stimuli and not self._core.offer_nowait(stimuli):
                logger.warning("%d records of actions were not taken: these are done again", len(stimuli))

    def _begin(self, group: asyncio.TaskGroup) -> None:
        while len(self._settled) < CLOSE and (waiting := self.lanes.take(self._clock.monotonic())) is not None:
            group.create_task(self._work(waiting), name=f"actions.{type(waiting.act.task).__name__.lower()}")

    async def _news(self) -> None:
        """Wait for an action to come or to land, or for a rest to end."""
        due = self.lanes.due
        wait = LOOK if due is None else min(LOOK, max(0.001, due - self._clock.monotonic()))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _work(self, waiting: Waiting) -> None:
        """Try one action once."""
        act = waiting.act
        try:
            if self._clock.now() > _until(act):
                self._end(waiting, "failed", Finished("its time is over"))
                return
            finished = await self._performers[type(act.task)](act)
        except Rejected as error:
            self._end(waiting, "failed", Finished(error.reason))
        except Unavailable as error:
            self._again(waiting, str(error), getattr(error, "seconds", 0.0))
        except asyncio.CancelledError:
            self.lanes.land(waiting)
            raise
        except Exception as error:  # one action that we fail on must not stop all others, nor come again for ever
            logger.exception("%s of %s failed; please report this", act.task, act.rule)
            self._end(waiting, "failed", Finished(f"internal error: {error!r}; see the log"))
        else:
            self._end(waiting, "done", finished)
        finally:
            self._wake.set()

    def _add(self, act: Act, kept: OutboxRow | None) -> None:
        self.counts.queued += 1
        for gone in self.lanes.add(act, 0 if kept is None else len(kept.body)):
            self.counts.dropped += 1
            self._close(gone, "dropped", "too much waits: [actions] pending_mb", 0, ())
        self._wake.set()

    def _again(self, waiting: Waiting, reason: str, seconds: float) -> None:
        self.counts.retried += 1
        act = waiting.act
        if self.lanes.back(waiting, self._clock.monotonic(), least=seconds):
            logger.warning("%s of %s: %s; it is tried again", act.task, act.rule, reason)
            cause, now = self._next_cause(), self._clock.now()
            namespace, name, instance = act.rule.split("/", 2)
            told = f"{act.task} for {instance}: {reason}; it is tried again"
            event = Event(f"{cause}:away", now, "action", f"{namespace}/{name}", "warning", told, act.cause)
            self._finish(Noted("", cause, now, event))

    def _end(self, waiting: Waiting, outcome: Outcome, finished: Finished) -> None:
        self.lanes.done(waiting, self._clock.monotonic())
        if outcome == "done":
            self.counts.done += 1
        else:
            self.counts.failed += 1
        self._close(waiting.act, outcome, finished.said, waiting.tries + 1, finished.stimuli)

    def _close(self, act: Act, outcome: Outcome, why: str, tries: int, effects: Sequence[Stimulus]) -> None:
        """Record what became of an action and delete its row, in one commit with its effects."""
        now = self._clock.now()
        done = Done(act.id, act.rule, act.cause, now, str(act.task), outcome, why, tries)
        told = [Noted("", act.cause, now, event) for event in self._teller.tell(done)]
        kept = Recorded("", act.cause, now, (record.point(done),))
        self._finish(*effects, *told, kept, Queued("", act.cause, now, {PREFIX + act.id: None}))

    def _finish(self, *stimuli: Stimulus) -> None:
        self._settled += stimuli
        self._ripe.set()

    async def _settle(self) -> None:
        """Hand what was finished to the core, all of it together: a commit for each would slow the decisions down."""
        while True:
            await self._ripe.wait()
            await self._clock.sleep(GATHER)
            self._ripe.clear()
            stimuli, self._settled = self._settled, []
            written = asyncio.Event()
            await self._core.offer(stimuli, lambda _, written=written: written.set())  # type: ignore[misc]
            self._wake.set()
            try:
                async with asyncio.timeout(LOOK):  # the disk may be behind; nothing is lost by going on
                    await written.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            now = self._clock.now()
            if events := self._teller.due(now):
                self._finish(*(Noted("", self._next_cause(), now, event) for event in events))


def _until(act: Act) -> int:
    """When it is too late."""
    return act.task.until if isinstance(act.task, Post) else act.at + DAY
