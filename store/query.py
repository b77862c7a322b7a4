"""One query on DuckDB. Imports duckdb, pyarrow and numpy: only the processes for queries load it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from store import records
from store.columns import Columns
from store.nearest import nearest
from store.question import Answer, Question, Refused, Unreadable
from store.schema import TABLES
from store.segment import Segment, read_list
from store.table import overlapping, sound, tabulate, tabulate_rows, without

_MOST = 64 * 1024 * 1024
_CELL = 64
"""Bytes that a value takes as a Python object, beside its own."""
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

    def __init__(self, node: str, file: Path, directory: Path, memory: int) -> None:
        self.node = node
        self.file = file
        self.directory = directory
        self._given: tuple[list[Columns], list[str]] = ([], [])
        self._key: tuple[Any, ...] = ()
        self._table: pa.Table | None = None
        self._sound: set[str] = set()
        self._base = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": f"{memory}MiB"})
        self._base.execute(f"SET allowed_directories = [{_quoted(directory)}]")
        for setting in _SETTINGS:
            self._base.execute(setting)

    def warm(self) -> None:
        """Start DuckDB's threads and load what Arrow loads late."""
        self._base.sql("SELECT count(*) FROM range(100000) GROUP BY range % 7").to_arrow_reader(1).read_all()

    def cursor(self) -> Any:
        return self._base.cursor()

    def answer(self, question: Question) -> Answer | Refused | Unreadable:
        """Never raises for what the query did."""
        if question.chunks is not None:
            self._given = [Columns.unpack(chunk) for chunk in question.chunks], question.series
            self._table = None
        try:
            return Query(self, question).run()
        except sqlite3.Error as error:
            return Refused(f"{self.file.name} cannot be read now: {error}", 503)
        except (duckdb.InternalException, duckdb.FatalException) as error:
            return Refused(_first_line(error), 400, final=True)
        except (duckdb.Error, pa.ArrowException, MemoryError, OverflowError, OSError, ValueError) as error:
            if _out_of_memory(error):
                reason = "the query needs more memory than queries may have: ask for less time, fewer series or columns"
                return Refused(reason, 413, final=True)
            return Refused(_explained(error), 400)

    def broken(self, paths: Sequence[Path], error: Exception) -> list[str]:
        """Which of these segments cannot be read.

        A query at fault must not make us read all files again and again: what is sound and not in the error's words is
        read through once. An error without a kind comes from files alone.
        """
        if type(error) is duckdb.Error:
            self._sound.clear()
        found = []
        for path in paths:
            if path.name in self._sound and path.name not in str(error):
                continue
            if sound(path) and self._reads(path):
                self._sound.add(path.name)
            else:
                found.append(path.name)
        return found

    def _reads(self, path: Path) -> bool:
        """True if DuckDB reads the whole file too."""
        with self.cursor() as cursor:
            try:
                cursor.execute(f"SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet({_quoted(path)})").fetchall()  # noqa: S608
            except duckdb.OutOfMemoryException:
                raise
            except (duckdb.Error, ValueError):
                return False
        return True

    def memory(self, version: int, listed: Sequence[Segment]) -> pa.Table:
        """The unsealed points, less those that a listed segment has; built once for each state of both."""
        if self._table is None or (version, listed) != self._key:
            table = tabulate(*self._given, self.node)
            self._table = without(table, overlapping(table, listed, self.directory))
            self._key = (version, listed)
        return self._table


class Query:
    """One query on a cursor of its own."""

    def __init__(self, sources: Sources, question: Question) -> None:
        self._sources = sources
        self._question = question
        self._cursor = sources.cursor()
        self._paths: list[Path] = []
        self._offered = False

    def run(self) -> Answer | Refused | Unreadable:
        """The answer, or the segments that keep it from one. Raises duckdb.Error, pa.ArrowException, MemoryError."""
        try:
            for name in self._question.tables:
                self._offer(name)
            self._offered = True
            return self._fetched()
        except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
            broken = self._sources.broken(self._paths, error) if self._may_be_damage(error) else []
            if broken:
                return Unreadable(broken)
            raise
        finally:
            self._cursor.close()

    def _may_be_damage(self, error: Exception) -> bool:
        """DuckDB has no error of its own for a damaged file, but for most faults of a query."""
        if _out_of_memory(error):
            return False
        unnamed = duckdb.IOException, duckdb.InvalidInputException, duckdb.InternalException
        return not self._offered or isinstance(error, unnamed) or not isinstance(error, duckdb.DatabaseError)

    def _fetched(self) -> Answer | Refused:
        question = self._question
        relation = self._cursor.sql(question.sql, params=list(question.parameters) or None)
        columns = tuple(relation.columns)
        rows: list[tuple[Any, ...]] = []
        room = _MOST
        with relation.to_arrow_reader(_BATCH) as batches:
            for batch in batches:
                fits = _fitting(batch, min(question.limit - len(rows), len(batch)), room)
                room -= _weight(batch[:fits])
                rows.extend(zip(*(_values(column) for column in batch[:fits].columns), strict=True))
                if fits < len(batch):
                    if not rows:
                        size = _weight(batch[:1]) >> 20
                        return Refused(f"one row takes {size} MiB, an answer may have {_MOST >> 20}", 413)
                    return Answer(columns, rows, truncated=True)
        return Answer(columns, rows)

    def _offer(self, name: str) -> None:
        """Make a table of the schema visible to this query alone."""
        if name == "points":
            listed = self._question.segments
            paths = [self._path(segment) for segment in listed if segment.kind == "points"]
            table = self._sources.memory(self._question.version, listed)
        elif name == "results":
            rows, paths = self._results()
            table = tabulate_rows(name, rows, self._sources.node)
        else:
            table, paths = tabulate_rows(name, self._rows(name), self._sources.node), []
        self._paths += paths
        self._cursor.register(f"_{name}", table)
        wanted = ", ".join(f"{column}::{kind} AS {column}" for column, kind in TABLES[name].items())
        parts = [f"SELECT {wanted} FROM _{name}"]  # noqa: S608 - names of the schema
        if paths:
            files = ", ".join(map(_quoted, paths))
            parts.append(f"SELECT {', '.join(TABLES[name])} FROM read_parquet([{files}])")  # noqa: S608 - ours
        self._cursor.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")

    def _results(self) -> tuple[list[tuple[Any, ...]], list[Path]]:
        """Rows and list of segments from one state of the disk: a result is in the one or in the other."""
        connection = records.reader(self._sources.file)
        try:
            connection.execute("BEGIN")
            known = [segment for segment in read_list(connection) if segment.kind == "results"]
            return records.results(connection)[1], [self._path(segment) for segment in known]
        finally:
            connection.close()

    def _rows(self, name: str) -> Sequence[tuple[Any, ...]]:
        if name != "events":
            return self._question.live.get(name, ())
        connection = records.reader(self._sources.file)
        try:
            return records.events(connection)
        finally:
            connection.close()

    def _path(self, segment: Segment) -> Path:
        return self._sources.directory / segment.name


def _fitting(batch: pa.RecordBatch, most: int, room: int) -> int:
    """How many of the first `most` rows weigh no more than `room`."""
    if _weight(batch[:most]) <= room:
        return most
    low, high = 0, most  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _weight(batch[:middle]) <= room else (low, middle)
    return low


def _weight(batch: pa.RecordBatch) -> int:
    """Bytes of the rows as Python objects, nearly, without making them."""
    return int(batch.nbytes) + _CELL * sum(map(_cells, batch.columns))


def _cells(column: pa.Array) -> int:
    """Values in a column, those within lists and structs too."""
    kind = column.type
    if pa.types.is_struct(kind):
        return len(column) + sum(map(_cells, column.flatten()))
    if pa.types.is_map(kind):
        offsets = column.offsets
        entries = pc.subtract(offsets[-1], offsets[0]).as_py() if len(column) else 0
        keys, items = (part.slice(offsets[0].as_py(), entries) for part in (column.keys, column.items))
        return len(column) + entries + _cells(keys) + _cells(items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return len(column) + _cells(column.flatten())
    return len(column)


def _values(column: pa.Array) -> list[Any]:
    """Python's values: whole numbers for DuckDB's huge integers (sums) that fit in 64 bits, text for intervals."""
    values = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [_number(value) for value in values]
    if pa.types.is_interval(column.type):
        return [None if value is None else str(value) for value in values]
    return list(values)


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    whole = value == value.to_integral_value() and -(2**63) <= value < 2**63
    return int(value) if whole else float(value)


def _out_of_memory(error: Exception) -> bool:
    """What comes through Arrow's reader has DuckDB's words alone."""
    return isinstance(error, MemoryError | duckdb.OutOfMemoryException) or "Out of Memory Error" in str(error)


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
