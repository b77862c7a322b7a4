"""One query on DuckDB. Imports duckdb, pyarrow and numpy: only the processes for queries load it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from store import records
from store.columns import Columns
from store.schema import TABLES
from store.segment import Segment, read_list
from store.sql import form
from store.sql.nearest import nearest
from store.sql.question import Answer, Question, Refused, Unreadable
from store.sql.rows import TooLarge, as_arrow, as_values, gathered
from store.sql.sources import Sources, quoted
from store.table import tabulate_rows

_BATCH = 2048
"""Rows that are fetched at once."""


Given = tuple[Answer | Refused | Unreadable, bytes]
"""What is answered, and the bytes that follow it, empty for none."""


def answer(sources: Sources, question: Question) -> Given:
    """Never raises for what the query did."""
    if question.chunks is not None:
        sources.give([Columns.unpack(chunk) for chunk in question.chunks], question.series)
    try:
        return _Query(sources, question).run()
    except TooLarge as error:
        return error.refused, b""
    except sqlite3.Error as error:
        return Refused(f"{sources.file.name} cannot be read now: {error}", 503), b""
    except (duckdb.InternalException, duckdb.FatalException) as error:
        return Refused(_first_line(error), 400, final=True), b""
    except (duckdb.Error, pa.ArrowException, MemoryError, OverflowError, OSError, ValueError) as error:
        if _out_of_memory(error):
            reason = "the query needs more memory than queries may have: ask for less time, fewer series or columns"
            return Refused(reason, 413, final=True), b""
        return Refused(_explained(error), 400), b""


class _Query:
    """One query on a cursor of its own."""

    def __init__(self, sources: Sources, question: Question) -> None:
        self._sources = sources
        self._question = question
        self._cursor = sources.cursor()
        self._paths: list[Path] = []
        self._offered = False

    def run(self) -> Given:
        """The answer, or the segments that keep it from one. Raises duckdb.Error, pa.ArrowException, MemoryError."""
        try:
            for name in self._question.tables:
                self._offer(name)
            self._offered = True
            return self._fetched()
        except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
            broken = self._sources.broken(self._paths, error) if self._may_be_damage(error) else []
            if broken:
                return Unreadable(broken), b""
            raise
        finally:
            self._cursor.close()

    def _may_be_damage(self, error: Exception) -> bool:
        """DuckDB has no error of its own for a damaged file, but for most faults of a query."""
        if _out_of_memory(error):
            return False
        unnamed = duckdb.IOException, duckdb.InvalidInputException, duckdb.InternalException
        return not self._offered or isinstance(error, unnamed) or not isinstance(error, duckdb.DatabaseError)

    def _fetched(self) -> Given:
        question = self._question
        relation = self._cursor.sql(question.sql, params=list(question.parameters) or None)
        weight = as_values if question.form in {"rows", "json"} else as_arrow
        with relation.to_arrow_reader(_BATCH) as batches:
            schema = batches.schema
            kept, cut = gathered(batches, question.limit, weight)
        rows = form.rows(kept) if question.form == "rows" else []
        body = b"" if question.form == "rows" else form.encoded(question.form, schema, kept)
        return Answer(tuple(relation.columns), rows, sum(map(len, kept)), cut), body

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
            files = ", ".join(map(quoted, paths))
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
