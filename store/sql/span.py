"""The scope of a query as values: which times and which series. Imports duckdb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from msgspec import Struct

from store.sql.question import Scope, Statement
from twins.exchange import EARLIEST, LATEST, Scalar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(Struct, frozen=True):
    """Times from `since` until before `until` in microseconds, and for columns the names that are looked for.

    `exact` says that the times are all that the query's bounds say.
    """

    since: int = EARLIEST
    until: int = LATEST + 1
    names: Mapping[str, frozenset[str]] = {}
    exact: bool = False

    @property
    def whole(self) -> bool:
        """True if it leaves nothing out."""
        return self.since <= EARLIEST and self.until > LATEST and not self.names

    def meets(self, first: int, last: int) -> bool:
        """True if some time from `first` to `last` is in it."""
        return first < self.until and last >= self.since

    def inner(self, width: int) -> tuple[int, int]:
        """From where and until where it holds whole buckets of `width` microseconds."""
        return -(-self.since // width) * width, self.until // width * width


def span(cursor: Any, scope: Scope, parameters: Sequence[Scalar]) -> Span:
    """The scope's values now: within the transaction that has begun `now()` stays what it is."""
    names: dict[str, frozenset[str]] = {}
    for one in scope.names:
        values = [parameters[value - 1] if isinstance(value, int) else value for value in one.values]
        texts = frozenset(value for value in values if isinstance(value, str))
        if len(texts) == len(set(values)):  # of another type DuckDB compares in its own way
            names[one.column] = names.get(one.column, texts) & texts
    try:
        since = [microseconds(cursor, one.at, parameters) + (not one.inclusive) for one in scope.since]
        until = [microseconds(cursor, one.at, parameters) + one.inclusive for one in scope.until]
    except (duckdb.Error, TypeError):  # no time, or null: the query itself tells what comes of it
        cursor.rollback()
        cursor.begin()
        return Span(names=names)
    return Span(max([EARLIEST, *since]), min([LATEST + 1, *until]), names, exact=True)


def microseconds(cursor: Any, at: Statement, parameters: Sequence[Scalar]) -> int:
    """The value of a constant expression of time. Raises duckdb.Error, and TypeError when it is null."""
    query = f"SELECT epoch_us(({at.sql})::TIMESTAMPTZ)"
    ((found,),) = cursor.execute(query, used(at, parameters)).fetchall()
    return int(found)


def used(statement: Statement, parameters: Sequence[Scalar]) -> dict[str, Scalar]:
    """The parameters that a statement takes."""
    return {str(number): parameters[number - 1] for number in statement.uses}


def moment(at: int) -> str:
    """A time in microseconds as SQL writes it."""
    time = _EPOCH + timedelta(microseconds=max(EARLIEST, min(LATEST, at)))
    return f"TIMESTAMPTZ '{time.replace(tzinfo=None).isoformat(' ')}+00'"
