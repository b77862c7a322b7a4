"""Sealing: unsealed points become one sorted Parquet file, known from one transaction that also forgets their log.

Results of inference, rows of `state.db` at first, are sealed in the same way.

A kill before that transaction leaves a file nobody knows, removed on the next start; the points are still in the log.
A kill after it leaves nothing to do. Files of another `state.db` (one that was damaged and set aside) are taken over.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.clock import Clock
from store import parquet, records
from store.journal import Journal
from store.points import Cut, Points
from store.segment import Kind, Segment, enter, enter_points, enter_results, forget, read_list
from twins.exchange import Event

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks at whether it is time to seal."""


class Segments:
    """The sealed files in `directory`. Seals when `rows` points wait, and every `age` seconds what there is."""

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
    ) -> None:
        self._directory = directory
        self._node = node
        self._journal = journal
        self._points = points
        self._clock = clock
        self._rows = rows
        self._age = age
        self._since = clock.monotonic()
        self._known: tuple[Segment, ...] = ()
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
        self._keep([*listed.values(), *adopted])
        if gone:
            logger.error("segments are gone from %s, with their points: %s", self._directory, ", ".join(sorted(gone)))
            await self.remove([listed[name] for name in gone])

    async def run(self) -> None:
        """Seal when due; what fails is told once and tried again."""
        while True:
            await self._clock.sleep(_LOOK)
            if len(self._points) >= self._rows or self._clock.monotonic() - self._since >= self._age:
                await self._attempt()

    async def seal(self) -> list[Segment]:
        """Seal all unsealed points and results now. Raises OSError, ValueError or sqlite3.Error."""
        sealed = []
        cut = self._points.cut()
        if cut is not None:
            segment: Segment | None = await self._in_thread(self._write_points, cut)
            latest = self._points.latest_of({key for chunk in cut.chunks for key in chunk.series})
            sealed += [segment] if segment else []
            await self._journal.transact(lambda db: enter_points(db, sealed, cut.batch, latest))
            self._points.drop(cut.batch)
            self._keep([*self._known, *sealed])
        last, results = await self._in_thread(self._write_results)
        if results is not None:
            await self._journal.transact(lambda db: enter_results(db, results, last))
            self._keep([*self._known, results])
            sealed.append(results)
        return sealed

    async def remove(self, gone: Iterable[Segment]) -> None:
        """Forget segments and delete their files."""
        names = {segment.name for segment in gone}
        await self._journal.transact(lambda db: forget(db, names))
        self._keep([segment for segment in self._known if segment.name not in names])
        await self._in_thread(parquet.remove, [self._directory / name for name in names])

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

    async def _attempt(self) -> None:
        try:
            await self.seal()
        except (OSError, ValueError, sqlite3.Error) as error:
            if self._fault is None:
                logger.error(  # noqa: TRY400 - the reason is the message
                    "points cannot be sealed into %s: %s; they stay in state.db", self._directory, error
                )
            self._fault = str(error)
        else:
            self._fault = None
            self._since = self._clock.monotonic()

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _keep(self, segments: Sequence[Segment]) -> None:
        self._known = tuple(sorted(segments, key=lambda segment: (segment.first, segment.name)))

    def _write_points(self, cut: Cut) -> Segment | None:
        """In the thread: the file, complete and on disk under its name; `None` when no point is new."""
        from store.table import overlapping, tabulate, without

        table = tabulate(cut.chunks, cut.series, self._node)
        table = without(table, overlapping(table, self._known, self._directory))
        if not len(table):
            return None
        return self._written(table, "points", cut.batch)

    def _write_results(self) -> tuple[int, Segment | None]:
        connection = records.reader(self._journal.file)
        try:
            last, rows = records.results(connection)
        finally:
            connection.close()
        if not rows:
            return 0, None
        from store.table import tabulate_rows

        table = tabulate_rows("results", rows, self._node).sort_by([("model", "ascending"), ("time", "ascending")])
        return last, self._written(table, "results", last)

    def _written(self, table: pa.Table, kind: Kind, number: int) -> Segment:
        from store.table import times

        moments = times(table)
        name = f"{self._journal.id}-{kind}-{number:012d}.parquet"
        size = parquet.write(table, self._directory / name)
        return Segment(name, kind, int(moments[0]), int(moments[-1]), len(table), size)


def _tell(connection: sqlite3.Connection, damaged: Sequence[Segment], events: Sequence[Event]) -> None:
    forget(connection, [segment.name for segment in damaged])
    records.write_events(connection, events)


def _damage(segment: Segment, there: bool, now: int) -> Event:
    what = f"cannot be read: it is kept as {segment.name}{parquet.ASIDE}" if there else "is gone"
    message = f"segment {segment.name} {what}; SQL goes on without its {segment.rows} {segment.kind}"
    return Event(f"store:segment:{segment.name}", now, "SegmentDamaged", segment.name, "error", message)
