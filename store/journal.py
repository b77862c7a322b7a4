"""The journal: every batch of the core becomes part of one SQLite transaction, and is acknowledged after it.

Batches that gather while a commit runs share the next one, so the rate adapts to the disk: an idle gateway commits at
once, a busy one commits many batches together.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from runtime.clock import Clock
from store import state
from store.columns import Columns
from store.decisions import Ring
from store.salvage import Damage, told
from store.steps import Step, unwatched
from store.writer import Writer
from twins.errors import Broken, Unavailable
from twins.exchange import Batch, Recovered, Ticket

logger = logging.getLogger(__name__)

T = TypeVar("T")

Sink = Callable[[int, Columns, Sequence[str]], None]
"""Told in the loop of the points of each commit (on open: of each blob found): the number of its last batch, the
points, and the names of series by their numbers."""


class Journal:
    """`state.db` in `directory`. Call `open`, then let `run` run; `close` writes what is left.

    `wait` seconds let more batches gather before a commit (flash wear against latency). `capacity` is the number of
    rows waiting at which `pressure` is 1. So many `digests` at least are kept to know repeats after a restart, and as
    many decisions as the `ring` has room for. The file takes `most` bytes (0: any): beyond, nothing is written, as on a
    full disk.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        wait: float = 0.0,
        capacity: int = 50_000,
        digests: int = 200_000,
        most: int = 0,
        ring: Ring | None = None,
        sink: Sink | None = None,
        brake: Callable[[], float] = lambda: 0.0,
        step: Step = unwatched,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._wait = wait
        self._capacity = capacity
        self._most = most
        self._sink = sink
        self._brake = brake
        self._database: state.Database | None = None
        self._lock = -1
        self._pending: deque[tuple[int, Batch]] = deque()
        self._rows = 0
        self._last = 0
        self._durable = 0
        self._wake = asyncio.Event()
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._fault: str | None = None
        self._writer = Writer(digests, ring or Ring(), step)

    @property
    def file(self) -> Path:
        return self._directory / state.FILE

    @property
    def id(self) -> str:
        """Made with the file: tells its segments from those of a file that was set aside."""
        return self._writer.id

    @property
    def series(self) -> Sequence[str]:
        """Names of series by their number; grows only."""
        return self._writer.series

    @property
    def fault(self) -> str | None:
        """Why nothing is being committed now, if so: batches wait in memory and are tried again every second."""
        return self._fault

    @property
    def pressure(self) -> float:
        """Rows waiting for the disk in parts of the capacity, 0..1; or whatever presses more."""
        return min(1.0, max(self._rows / self._capacity, self._brake()))

    async def open(self) -> Recovered:
        """Read everything back and count this start. Raises Unavailable (no right, no disk, in use), Broken (newer)."""
        self._lock = await asyncio.to_thread(state.lock, self._directory)
        try:
            try:
                return await self._load()
            except (state.Damaged, sqlite3.DatabaseError) as error:
                if not state.damaged(error):
                    raise
                return await self._load(await self._set_aside(error))
        except (sqlite3.Error, OSError) as error:
            self._unlock()
            message = f"{self.file}: cannot be opened ({error}): check the disk and the rights of this user"
            raise Unavailable(message) from error
        except BaseException:
            self._unlock()
            raise

    def append(self, batch: Batch) -> Ticket:
        """Take a batch; never waits."""
        self._last += 1
        self._pending.append((self._last, batch))
        self._rows += _weight(batch)
        self._wake.set()
        return Ticket(self._last)

    async def committed(self, ticket: Ticket) -> None:
        """Return when the batch is on disk. Raises Unavailable if the journal closed without writing it."""
        if ticket <= self._durable:
            return
        if ticket > self._last:
            message = f"ticket {ticket} was never given: the last is {self._last}"
            raise Broken(message)
        if self._database is None:
            message = f"the journal closed before the batch was written: {self._fault}"
            raise Unavailable(message)
        waiter = self._waiters.get(ticket)
        if waiter is None:
            waiter = self._waiters[ticket] = asyncio.get_running_loop().create_future()
        await asyncio.shield(waiter)

    async def run(self) -> None:
        """Commit what gathers until cancelled. Raises Broken when a batch cannot be written at all."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                if self._wait:
                    await self._clock.sleep(self._wait)
                if not await self._commit():
                    await self._clock.sleep(1.0)

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in one transaction of its own, between two commits. Raises sqlite3.Error."""

        def whole(connection: sqlite3.Connection) -> T:
            with state.transaction(connection):
                return work(connection)

        return await self._opened().run(whole)

    async def close(self) -> None:
        """Write what is pending, once, and close; what cannot be written is refused to those who wait for it."""
        if self._database is None:
            return
        try:
            if self._pending:
                await self._commit()
        finally:
            database, self._database = self._database, None
            await database.close()
            self._unlock()
            for waiter in self._waiters.values():
                if not waiter.done():
                    waiter.set_exception(Unavailable(f"the journal closed before the batch was written: {self._fault}"))
                    waiter.exception()  # nobody may be waiting any more
            self._waiters.clear()

    async def _load(self, damage: Damage | None = None) -> Recovered:
        """Read everything back; after `damage` into a new file, with what can be read of the old one."""

        def work(connection: sqlite3.Connection) -> tuple[Recovered, list[tuple[int, Columns]]]:
            return self._writer.recover(connection, None if damage is None else told(damage, connection))

        database = state.Database(self.file, self._most)
        await database.open()
        try:
            recovered, blobs = await database.run(work)
        except BaseException:
            await database.close()
            raise
        self._database = database
        self._last = self._durable = self._writer.durable
        if self._sink is not None:
            for batch, columns in blobs:
                self._sink(batch, columns, self.series)
        return recovered

    async def _set_aside(self, error: BaseException) -> Damage:
        aside = await asyncio.to_thread(state.set_aside, self._directory)
        logger.error("%s is damaged (%s): kept as %s, starting with what can be read", self.file, error, aside.name)
        return Damage(aside, str(error), self._clock.now())

    async def _commit(self) -> bool:
        group = tuple(self._pending)
        try:
            durable, columns = await self._opened().run(lambda connection: self._writer.write(connection, group))
        except (sqlite3.Error, OverflowError, ValueError) as error:
            if not state.passing(error):
                message = f"{self.file}: a batch cannot be written: {error}"
                raise Broken(message) from error
            self._failed(error)
            return False
        if self._fault is not None:
            logger.warning("%s: writing again", self.file)
            self._fault = None
        if self._sink is not None and len(columns):
            self._sink(durable, columns, self.series)
        self._acknowledge(durable)
        return True

    def _failed(self, error: Exception) -> None:
        if self._fault is None:
            logger.error(
                "%s: %s; nothing is acknowledged until it can be written, trying every second", self.file, error
            )
        self._fault = str(error)

    def _acknowledge(self, durable: int) -> None:
        self._durable = max(durable, self._durable)
        while self._pending and self._pending[0][0] <= durable:
            number, batch = self._pending.popleft()
            self._rows -= _weight(batch)
            waiter = self._waiters.pop(number, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def _opened(self) -> state.Database:
        if self._database is None:
            message = f"{self.file}: the journal is not open"
            raise Broken(message)
        return self._database

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _weight(batch: Batch) -> int:
    """Rows of a batch, for the pressure; an empty batch is one, so that they are bounded too."""
    parts = (
        batch.points,
        batch.twins,
        batch.results,
        batch.rules,
        batch.streams,
        batch.timers,
        batch.outbox,
        batch.events,
        batch.decisions,
    )
    return 1 + sum(map(len, parts))
