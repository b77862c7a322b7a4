"""Sealed segments: unsealed points become sorted Parquet files, known from one transaction that also forgets their log.

Results of inference, rows of `state.db` at first, are sealed in the same way. Small segments of a day are merged into
one, which takes their place in one transaction.

A kill before such a transaction leaves files nobody knows, removed on the next start; the points are still in the log,
or in the segments they were in. A kill after it leaves files that nobody needs any more, removed likewise. Files of
another `state.db` (one that was damaged and set aside) are taken over.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runtime.clock import Clock
from store import merging, parquet, records
from store.journal import Journal
from store.points import Points
from store.segment import Segment, enter, enter_points, enter_results, forget, read_list, swap
from store.steps import Step, unwatched
from twins.exchange import Event

logger = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks at whether it is time to seal."""
_LINGER = 60.0
"""Seconds that files stay whose place a merged one took: a query may be reading them."""


class Segments:
    """The sealed files in `directory`. Seals when `rows` points wait, and every `age` seconds what there is.

    `step` is told of each of its `store.steps.STEPS`.
    """

    def __init__(
        self,
        directory: Path,
        node: str,
        journal: Journal,
        points: Points,
        clock: Clock,
        *,
        rows: int = 100_000,
        age: float = 1800.0,
        step: Step = unwatched,
    ) -> None:
        self._directory = directory
        self._node = node
        self._journal = journal
        self._points = points
        self._clock = clock
        self._rows = rows
        self._age = age
        self._step = step
        self._since = clock.monotonic()
        self._known: tuple[Segment, ...] = ()
        self._number = 0
        self._old: deque[tuple[float, Path]] = deque()
        self._turn = asyncio.Lock()  # one change of the list at a time
        self._threads = ThreadPoolExecutor(1, "seal")
        self._fault: str | None = None

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def known(self) -> tuple[Segment, ...]:
        """All segments, by their first time."""
        return self._known

    @property
    def fault(self) -> str | None:
        """Why points cannot be sealed now, if so; they are safe in the log, and tried again."""
        return self._fault

    def path(self, segment: Segment) -> Path:
        return self._directory / segment.name

    async def open(self) -> None:
        """Read the list of segments, and put directory and list in step. Call after the journal opened."""
        listed = {segment.name: segment for segment in await self._journal.transact(read_list)}
        adopted, gone = await self._in_thread(parquet.tidy, self._directory, self._journal.id, set(listed))
        if adopted:
            await self._journal.transact(lambda db: enter(db, adopted))
            logger.warning("%d segments of an earlier state.db were taken over", len(adopted))
        self._number = await self._journal.transact(_last_number)
        self._keep([*listed.values(), *adopted])
        if gone:
            logger.error("segments are gone from %s, with their points: %s", self._directory, ", ".join(sorted(gone)))
            await self.remove([listed[name] for name in gone])

    async def run(self) -> None:
        """Seal and merge when due; what fails is told once and tried again."""
        while True:
            await self._clock.sleep(_LOOK)
            await self._attempt(self._due)

    async def seal(self) -> list[Segment]:
        """Seal all unsealed points and results now. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            return [*await self._seal_points(), *await self._seal_results()]

    async def merge(self) -> list[Segment]:
        """Merge what is due, once; what came of it. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            wanted = merging.due(self._known, self._room())
            if wanted is None:
                return []
            number = self._next()
            made: list[Segment] = await self._in_thread(self._merged, wanted, number)
            await self._journal.transact(lambda db: _swap(db, wanted.gone, made, number))
            self._step("merge:entered")
            self._keep([*(one for one in self._known if one.name not in wanted.gone), *made])
            until = self._clock.monotonic() + _LINGER
            self._old.extend((until, self._directory / name) for name in wanted.gone)
            return made

    async def remove(self, gone: Iterable[Segment]) -> None:
        """Forget segments and delete their files."""
        names = {segment.name for segment in gone}
        await self._journal.transact(lambda db: forget(db, names))
        self._step("remove:forgotten")
        self._keep([segment for segment in self._known if segment.name not in names])
        await self._in_thread(parquet.remove, [self._directory / name for name in names])
        self._step("remove:removed")

    async def set_aside(self, names: Iterable[str]) -> None:
        """Serve the rest: forget segments that cannot be read, and keep what is left of them under another name."""
        damaged = [segment for segment in self._known if segment.name in set(names)]
        if not damaged:  # retention was faster, or another query
            return
        self._keep([segment for segment in self._known if segment not in damaged])
        found = await self._in_thread(parquet.set_aside, [self.path(segment) for segment in damaged])
        now = self._clock.now()
        events = [_damage(segment, there, now) for segment, there in zip(damaged, found, strict=True)]
        for event in events:
            logger.error("%s", event.message)
        try:
            await self._journal.transact(lambda db: _tell(db, damaged, events))
        except sqlite3.Error as error:
            logger.warning("the list of segments still has damaged ones, until the next start: %s", error)

    def close(self) -> None:
        self._threads.shutdown()

    async def _due(self) -> None:
        if len(self._points) >= self._rows or self._clock.monotonic() - self._since >= self._age:
            await self.seal()
            self._since = self._clock.monotonic()
        elif not await self.merge():
            await self._tidy()

    async def _attempt(self, work: Callable[[], Any]) -> None:
        try:
            await work()
        except (OSError, ValueError, sqlite3.Error) as error:
            if self._fault is None:
                logger.error(  # noqa: TRY400 - the reason is the message
                    "points cannot be sealed into %s: %s; they stay in state.db", self._directory, error
                )
            self._fault = str(error)
        else:
            self._fault = None

    async def _seal_points(self) -> list[Segment]:
        cut = self._points.cut()
        if cut is None:
            return []
        number = self._next()
        self._step("seal:cut")
        sealed: list[Segment] = await self._in_thread(lambda: self._sealing(number).points(cut, self._known))
        latest = self._points.latest_of({key for chunk in cut.chunks for key in chunk.series})
        await self._journal.transact(lambda db: _enter(db, number, enter_points, sealed, cut.batch, latest))
        self._step("seal:entered")
        self._points.drop(cut.batch)
        self._keep([*self._known, *sealed])
        return sealed

    async def _seal_results(self) -> list[Segment]:
        last, rows = await self._in_thread(self._read_results)
        if not rows:
            return []
        number = self._next()
        sealed: list[Segment] = await self._in_thread(lambda: self._sealing(number).results(rows))
        await self._journal.transact(lambda db: _enter(db, number, enter_results, sealed, last))
        self._step("results:entered")
        self._keep([*self._known, *sealed])
        return sealed

    async def _tidy(self) -> None:
        """Delete files that others have taken the place of, when nobody reads them any more."""
        now = self._clock.monotonic()
        paths = []
        while self._old and self._old[0][0] <= now:
            paths.append(self._old.popleft()[1])
        if paths:
            await self._in_thread(parquet.remove, paths)
            self._step("merge:removed")

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _keep(self, segments: Sequence[Segment]) -> None:
        self._known = tuple(sorted(segments, key=lambda segment: (segment.first, segment.name)))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _room(self) -> int:
        return 1 << 62

    def _sealing(self, number: int) -> Any:
        """In the thread: what writes, which loads pyarrow."""
        from store.sealing import Sealing

        return Sealing(self._directory, self._journal.id, self._node, number, lambda name: self._step(f"seal:{name}"))

    def _merged(self, wanted: merging.Merge, number: int) -> list[Segment]:
        """In the thread: the merged files, complete and on disk."""
        return merging.merge(
            wanted, self._directory, self._journal.id, number, lambda name: self._step(f"merge:{name}")
        )

    def _read_results(self) -> tuple[int, list[tuple[Any, ...]]]:
        connection = records.reader(self._journal.file)
        try:
            return records.results(connection)
        finally:
            connection.close()


def _last_number(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("SELECT value FROM meta WHERE key = 'segment'").fetchone()
    return int(number)


def _count(connection: sqlite3.Connection, number: int) -> None:
    """No segment is ever called by this number again."""
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'segment'", [number])


def _enter(connection: sqlite3.Connection, number: int, enter: Callable[..., None], *what: Any) -> None:
    _count(connection, number)
    enter(connection, *what)


def _swap(connection: sqlite3.Connection, gone: Sequence[str], come: Sequence[Segment], number: int) -> None:
    _count(connection, number)
    swap(connection, gone, come)


def _tell(connection: sqlite3.Connection, damaged: Sequence[Segment], events: Sequence[Event]) -> None:
    forget(connection, [segment.name for segment in damaged])
    records.write_events(connection, events)


def _damage(segment: Segment, there: bool, now: int) -> Event:
    what = f"cannot be read: it is kept as {segment.name}{parquet.ASIDE}" if there else "is gone"
    message = f"segment {segment.name} {what}; SQL goes on without its {segment.rows} {segment.kind}"
    return Event(f"store:segment:{segment.name}", now, "SegmentDamaged", segment.name, "error", message)
