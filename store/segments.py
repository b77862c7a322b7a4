"""Sealing: unsealed points become one sorted Parquet file, known from one transaction that also forgets their log.

Results of inference, rows of `state.db` at first, are sealed in the same way.

A kill before that transaction leaves a file nobody knows, removed on the next start; the points are still in the log.
A kill after it leaves nothing to do. Files of another `state.db` (one that was damaged and set aside) are taken over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, structs

from runtime.clock import Clock
from store import records
from store.journal import Journal
from store.points import Cut, Points
from twins.exchange import Event

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_LOOK = 1.0
_DISTINCT = 0.3
_ASIDE = ".damaged"


class Segment(Struct, frozen=True):
    """One sealed file; `first` and `last` are the least and the greatest time in it."""

    name: str
    kind: Literal["points", "results"]
    first: int
    last: int
    rows: int
    bytes: int


def read(connection: sqlite3.Connection) -> list[Segment]:
    """The list of segments in `state.db`."""
    return [Segment(*row) for row in connection.execute("SELECT * FROM segments ORDER BY first")]


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
        listed = {segment.name: segment for segment in await self._journal.transact(read)}
        adopted, gone = await self._in_thread(_tidy, self._directory, self._journal.id, set(listed))
        if adopted:
            await self._journal.transact(lambda db: _enter(db, adopted))
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
            await self._journal.transact(lambda db: _enter_points(db, sealed, cut.batch, latest))
            self._points.drop(cut.batch)
            self._keep([*self._known, *sealed])
        last, results = await self._in_thread(self._write_results)
        if results is not None:
            await self._journal.transact(lambda db: _enter_results(db, results, last))
            self._keep([*self._known, results])
            sealed.append(results)
        return sealed

    async def remove(self, gone: Iterable[Segment]) -> None:
        """Forget segments and delete their files."""
        names = {segment.name for segment in gone}
        rows = [(name,) for name in names]
        await self._journal.transact(lambda db: db.executemany("DELETE FROM segments WHERE name = ?", rows).rowcount)
        self._keep([segment for segment in self._known if segment.name not in names])
        await self._in_thread(_unlink, [self._directory / name for name in names])

    async def set_aside(self, names: Iterable[str]) -> None:
        """Serve the rest: forget segments that cannot be read, and keep what is left of them under another name."""
        damaged = [segment for segment in self._known if segment.name in set(names)]
        if not damaged:  # retention was faster, or another query
            return
        self._keep([segment for segment in self._known if segment not in damaged])
        found = await self._in_thread(_rename, [self.path(segment) for segment in damaged])
        now = self._clock.now()
        events = [_damage(segment, there, now) for segment, there in zip(damaged, found, strict=True)]
        for event in events:
            logger.error("%s", event.message)
        try:
            await self._journal.transact(lambda db: _forget(db, damaged, events))
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

    def _written(self, table: pa.Table, kind: Literal["points", "results"], number: int) -> Segment:
        from store.table import times

        moments = times(table)
        name = f"{self._journal.id}-{kind}-{number:012d}.parquet"
        size = _write_parquet(table, self._directory / name)
        return Segment(name, kind, int(moments[0]), int(moments[-1]), len(table), size)


def _write_parquet(table: pa.Table, path: Path) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    # Quantised sensors repeat their values: a dictionary is half the size. Full-entropy floats split better by byte.
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    split = [name for name in floats if pc.count_distinct(table.column(name)).as_py() >= _DISTINCT * len(table)]
    encodings = {"time": "DELTA_BINARY_PACKED"} | dict.fromkeys(split, "BYTE_STREAM_SPLIT")
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                use_dictionary=[name for name in table.column_names if name not in {"time", "seq", *split}],
                column_encoding=encodings,
                row_group_size=65_536,
                coerce_timestamps="us",
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    return path.stat().st_size


def _tidy(directory: Path, journal: str, listed: set[str]) -> tuple[list[Segment], set[str]]:
    """Remove what a kill left; returns the files of other journals, and the listed names that are not there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = {path.name: path for path in directory.iterdir()}
    adopted = []
    for name in present.keys() - listed:
        path = present[name]
        if path.suffix == ".parquet" and not name.startswith(f"{journal}-"):
            segment = _inspect(path)
            adopted += [segment] if segment else []
        elif path.suffix in {".parquet", ".tmp"}:
            path.unlink()
    return adopted, listed - present.keys()


def _inspect(path: Path) -> Segment | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        span = pc.min_max(pq.read_table(path, columns=["time"]).column("time").cast(pa.int64())).as_py()
    except (OSError, pa.ArrowException) as error:
        logger.error("segment %s cannot be read (%s): left where it is", path, error)  # noqa: TRY400 - no traceback
        return None
    rows = pq.read_metadata(path).num_rows
    kind: Literal["points", "results"] = "results" if "-results-" in path.name else "points"
    return Segment(path.name, kind, span["min"], span["max"], rows, path.stat().st_size)


def _enter(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    rows = [structs.astuple(segment) for segment in segments]
    connection.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)", rows)


def _enter_points(
    connection: sqlite3.Connection, segments: Sequence[Segment], batch: int, latest: Sequence[tuple[Any, ...]]
) -> None:
    _enter(connection, segments)
    connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])
    connection.executemany("UPDATE series SET at = ?, seq = ?, number = ?, text = ? WHERE id = ?", latest)


def _enter_results(connection: sqlite3.Connection, segment: Segment, last: int) -> None:
    _enter(connection, [segment])
    connection.execute("DELETE FROM results WHERE id <= ?", [last])


def _forget(connection: sqlite3.Connection, damaged: Sequence[Segment], events: Sequence[Event]) -> None:
    connection.executemany("DELETE FROM segments WHERE name = ?", [(segment.name,) for segment in damaged])
    records.write_events(connection, events)


def _damage(segment: Segment, there: bool, now: int) -> Event:
    what = f"cannot be read: it is kept as {segment.name}{_ASIDE}" if there else "is gone"
    message = f"segment {segment.name} {what}; SQL goes on without its {segment.rows} {segment.kind}"
    return Event(f"store:segment:{segment.name}", now, "SegmentDamaged", segment.name, "error", message)


def _rename(paths: Iterable[Path]) -> list[bool]:
    """Whether each is still there, under its new name."""
    found = []
    for path in paths:
        try:
            path.rename(path.with_name(path.name + _ASIDE))
        except OSError:
            found.append(path.exists())
        else:
            found.append(True)
    return found


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
