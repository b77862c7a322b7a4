"""The folder of segments: what is known to be in it, and the one thread that makes files there.

What is made is no segment until a transaction has put it on the list in `state.db`.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from store import parquet
from store.counts import Counts
from store.journal import Journal
from store.parquet import Job
from store.segment import Segment
from store.space import Budget, Space
from store.steps import Step

T = TypeVar("T")


class Files:
    """Files in `directory`, in the room that `space` leaves. `number` is the greatest of a segment there ever was."""

    def __init__(self, directory: Path, journal: Journal, space: Space, step: Step) -> None:
        self.directory = directory
        self.space = space
        self.step = step
        self.counts = Counts()
        self.known: tuple[Segment, ...] = ()
        """All segments, by their first time."""
        self.number = 0
        self._journal = journal
        self._threads = ThreadPoolExecutor(1, "seal")

    def path(self, segment: Segment) -> Path:
        return self.directory / segment.name

    def keep(self, segments: Sequence[Segment]) -> None:
        """These are known from now on."""
        self.known = tuple(sorted(segments, key=lambda segment: (segment.first, segment.name)))

    async def room(self) -> int:
        """Bytes that may be written."""
        room: int = await self.in_thread(self.space.room)
        return room

    async def made(self, name: str, room: int, work: Callable[[Job], T]) -> T:
        """In the thread: do a job, whole or not at all."""
        self.number += 2
        job = Job(name, self.directory, self._journal.id, self.number - 1, Budget(room), self.step)

        def done() -> T:
            try:
                return work(job)
            except BaseException:
                job.undo()
                raise

        try:
            made: T = await self.in_thread(done)
        except OSError as error:
            self.counts.full += error.errno == errno.ENOSPC
            raise
        return made

    async def enter(self, made: Sequence[Segment], work: Callable[[sqlite3.Connection], None]) -> None:
        """Put what was made on the list. When that is full their files go again: each new try would leave some more."""
        try:
            await self._journal.transact(work)
        except sqlite3.OperationalError as error:
            if is_full(error):
                await self.in_thread(parquet.remove, [self.path(one) for one in made])
            raise

    async def in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        self._threads.shutdown()


def is_full(error: Exception) -> bool:
    """True if it says that there is no more room."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC
