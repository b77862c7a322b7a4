"""One query on DuckDB, in a thread. Imports duckdb, pyarrow, numpy, sqlglot: load it when first needed."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from store import records, segments
from store.columns import Columns
from store.guard import Guarded, guard, nearest
from store.points import Points
from store.schema import TABLES
from store.segments import Segment, Segments
from store.table import tabulate, tabulate_rows, without
from twins.errors import Rejected, Unavailable
from twins.exchange import Rows, Scalar

_MOST_BYTES = 32 * 1024 * 1024
_BATCH = 2048

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET enable_progress_bar = false",
    "SET parquet_metadata_cache = true",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""After these DuckDB reads the segments' directory and nothing else, and no query can change that."""


class Sources:
    """What queries share: the DuckDB instance, and the table of the points in memory as last built."""

    def __init__(self, node: str, file: Path, directory: Path, memory: str) -> None:
        self.node = node
        self.file = file
        self._lock = threading.Lock()
        self._memory_key: tuple[Any, ...] = ()
        self._memory_table: pa.Table | None = None
        self._base = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": memory})
        self._base.execute(f"SET allowed_directories = [{_quoted(directory)}]")
        for setting in _SETTINGS:
            self._base.execute(setting)

    def guard(self, text: str) -> Guarded:
        return guard(text)

    def query(
        self,
        guarded: Guarded,
        parameters: Sequence[Scalar],
        limit: int,
        live: Mapping[str, Sequence[tuple[Any, ...]]],
        points: Points,
        known: Segments,
    ) -> Query:
        return Query(self, guarded, parameters, limit, live, points, known)

    def cursor(self) -> Any:
        with self._lock:
            return self._base.cursor()

    def close(self) -> None:
        self._base.close()

    def memory(
        self, version: int, chunks: Sequence[Columns], series: Sequence[str], known: Segments, listed: Sequence[Segment]
    ) -> pa.Table:
        """The unsealed points, less those that a listed segment has; built once for each state of both."""
        with self._lock:
            if self._memory_table is None or (version, listed) != self._memory_key:
                table = tabulate(chunks, series, self.node)
                self._memory_table = without(table, known.overlapping(table, listed))
                self._memory_key = (version, listed)
            return self._memory_table


class Query:
    """One query. Made in the loop, where it notes what it shall see; `run` in a thread, `interrupt` from anywhere."""

    def __init__(
        self,
        sources: Sources,
        guarded: Guarded,
        parameters: Sequence[Scalar],
        limit: int,
        live: Mapping[str, Sequence[tuple[Any, ...]]],
        points: Points,
        known: Segments,
    ) -> None:
        self._sources = sources
        self._guarded = guarded
        self._parameters = parameters
        self._limit = limit
        self._live = live
        self._known = known
        # Taken in one step of the loop: a point is in the snapshot or in a listed segment, never in neither.
        self._segments = known.known
        self._version = points.version
        self._chunks = points.snapshot() if "points" in guarded.tables else ()
        self._series = points.series
        self._stopped = False
        self._cursor: Any = None

    def run(self) -> Rows:
        """The answer. Raises Rejected or Unavailable."""
        try:
            return self._attempt()
        except duckdb.IOException:
            # Retention may remove a segment between our look at the list and DuckDB's at the file: look again.
            self._segments = self._known.known
        try:
            return self._attempt()
        except duckdb.IOException as error:
            message = f"a segment cannot be read: {_first_line(error)}"
            raise Unavailable(message) from error

    def interrupt(self) -> None:
        self._stopped = True
        if self._cursor is not None:
            with suppress(duckdb.Error):  # it may have closed just now
                self._cursor.interrupt()

    def _attempt(self) -> Rows:
        self._cursor = self._sources.cursor()
        try:
            for name in self._guarded.tables:
                self._offer(name)
            return self._fetched()
        except duckdb.InterruptException:
            reason = "the query was stopped"
            raise Rejected(reason, 408) from None
        except duckdb.OutOfMemoryException as error:
            reason = "the query needs more memory than queries may have: ask for less time, fewer series or columns"
            raise Rejected(reason, 413) from error
        except duckdb.IOException:
            raise
        except (duckdb.Error, pa.ArrowException, OverflowError, ValueError) as error:
            raise Rejected(_explained(error)) from error
        finally:
            self._cursor.close()

    def _fetched(self) -> Rows:
        self._check()
        relation = self._cursor.sql(self._guarded.sql, params=list(self._parameters) or None)
        columns = tuple(relation.columns)
        rows: list[tuple[Any, ...]] = []
        size = 0
        with relation.to_arrow_reader(_BATCH) as batches:
            for batch in batches:
                self._check()
                size += batch.nbytes
                rows.extend(zip(*(_values(column) for column in batch.columns), strict=True))
                if len(rows) > self._limit or size > _MOST_BYTES:
                    return Rows(columns, rows[: self._limit], truncated=True)
        return Rows(columns, rows)

    def _offer(self, name: str) -> None:
        """Make a table of the schema visible to this query alone."""
        self._check()
        if name == "points":
            table = self._sources.memory(self._version, self._chunks, self._series, self._known, self._segments)
            paths = [self._known.path(known) for known in self._segments if known.kind == "points"]
        elif name == "results":
            rows, paths = self._results()
            table = tabulate_rows(name, rows, self._sources.node)
        else:
            table, paths = tabulate_rows(name, self._rows(name), self._sources.node), []
        self._cursor.register(f"_{name}", table)
        wanted = ", ".join(f"{column}::{kind} AS {column}" for column, kind in TABLES[name].items())
        parts = [f"SELECT {wanted} FROM _{name}"]  # noqa: S608 - names of the schema
        if paths:
            listed = ", ".join(map(_quoted, paths))
            parts.append(f"SELECT {', '.join(TABLES[name])} FROM read_parquet([{listed}])")  # noqa: S608 - ours
        self._cursor.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")

    def _results(self) -> tuple[list[tuple[Any, ...]], list[Path]]:
        """Rows and list of segments from one state of the disk: a result is in the one or in the other."""
        connection = records.reader(self._sources.file)
        try:
            connection.execute("BEGIN")
            known = [segment for segment in segments.read(connection) if segment.kind == "results"]
            return records.results(connection)[1], [self._known.path(segment) for segment in known]
        finally:
            connection.close()

    def _rows(self, name: str) -> Sequence[tuple[Any, ...]]:
        if name != "events":
            return self._live.get(name, ())
        connection = records.reader(self._sources.file)
        try:
            return records.events(connection)
        finally:
            connection.close()

    def _check(self) -> None:
        if self._stopped:
            reason = "the query was stopped"
            raise Rejected(reason, 408)


def _values(column: pa.Array) -> list[Any]:
    """Python's values: whole numbers for DuckDB's huge integers (sums), text for intervals."""
    values = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [_number(value) for value in values]
    if pa.types.is_interval(column.type):
        return [None if value is None else str(value) for value in values]
    return list(values)


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _explained(error: Exception) -> str:
    """DuckDB's words, and for a misspelt column the nearest of ours."""
    message = _first_line(error)
    column = re.search(r'column(?: named)? "([^"]+)"', message)
    if column:
        names = sorted({name for columns in TABLES.values() for name in columns})
        return f"{message.rstrip('!.')}{nearest(column[1].rpartition('.')[2], names)}"
    return message


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]


def _quoted(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"
