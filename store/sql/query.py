"""One query on DuckDB. Imports duckdb, pyarrow and numpy: only the processes for queries load it."""

from __future__ import annotations

import re
import sqlite3

import duckdb
import pyarrow as pa

from store.schema import TABLES, TWINS_AT
from store.sql import form, given
from store.sql.catalogue import Catalogue
from store.sql.nearest import nearest
from store.sql.question import Answer, Question, Refused, Statement, Unreadable
from store.sql.rows import TooLarge, as_arrow, as_values, gathered
from store.sql.sources import Sources
from store.sql.span import Span, microseconds, span, used

_BATCH = 2048
"""Rows that are fetched at once."""


Given = tuple[Answer | Refused | Unreadable, bytes]
"""What is answered, and the bytes that follow it, empty for none."""


def answer(sources: Sources, question: Question) -> Given:
    """Never raises for what the query did."""
    if question.known is not None:
        sources.memory.give(question.known)
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
    """One query on a cursor of its own, in one transaction: `now()` is the same for all that it says."""

    def __init__(self, sources: Sources, question: Question) -> None:
        self._sources = sources
        self._question = question
        self._cursor = sources.cursor()
        self._catalogue = Catalogue(sources, question, self._cursor)
        self._offered = False

    def run(self) -> Given:
        """The answer, or the segments that keep it from one. Raises duckdb.Error, pa.ArrowException, MemoryError."""
        try:
            self._cursor.begin()
            statement = self._offer()
            self._offered = True
            return self._fetched(statement)
        except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
            broken = self._sources.broken(self._catalogue.paths, error) if self._may_be_damage(error) else []
            if broken:
                return Unreadable(broken), b""
            raise
        finally:
            self._cursor.close()

    def _offer(self) -> Statement:
        """Make the tables visible; what to ask of them."""
        asked, catalogue = self._question.asked, self._catalogue
        bounds = span(self._cursor, asked.scope, self._question.parameters) if "points" in asked.tables else Span()
        for number, moment in enumerate(asked.moments, 1):
            catalogue.offer_twins(f"{TWINS_AT}_{number}", self._time(moment))
        for name, streams in self._question.given.items():
            given.offer(self._cursor, name, streams)
        for name in asked.tables - {"points", TWINS_AT}:
            catalogue.offer(name, Span())
        if "points" in asked.tables:
            if asked.rolled is not None and catalogue.offer_rolled(bounds):
                return asked.rolled.statement
            catalogue.offer("points", bounds)
        return asked.statement

    def _time(self, moment: Statement) -> int:
        try:
            return microseconds(self._cursor, moment, self._question.parameters)
        except TypeError:
            message = f"{TWINS_AT}() needs a time, and got null"
            raise ValueError(message) from None

    def _may_be_damage(self, error: Exception) -> bool:
        """DuckDB has no error of its own for a damaged file, but for most faults of a query."""
        if _out_of_memory(error):
            return False
        unnamed = duckdb.IOException, duckdb.InvalidInputException, duckdb.InternalException
        return not self._offered or isinstance(error, unnamed) or not isinstance(error, duckdb.DatabaseError)

    def _fetched(self, statement: Statement) -> Given:
        question = self._question
        relation = self._cursor.sql(statement.sql, params=used(statement, question.parameters) or None)
        weight = as_values if question.form in {"rows", "json"} else as_arrow
        with relation.to_arrow_reader(_BATCH) as batches:
            schema = batches.schema
            kept, cut = gathered(batches, question.limit, weight)
        rows = form.rows(kept) if question.form == "rows" else []
        plan = self._catalogue.plan
        told = {"gemelo.truncated": str(bool(cut)).lower(), "gemelo.plan": plan}
        body = b"" if question.form == "rows" else form.encoded(question.form, schema, kept, told)
        return Answer(tuple(relation.columns), rows, sum(map(len, kept)), cut, plan), body


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
