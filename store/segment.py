"""One sealed file, and the list of them in `state.db`: what is not in the list is not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct, structs

Kind = Literal["points", "results"]


class Segment(Struct, frozen=True):
    """One sealed file; `first` and `last` are the least and the greatest time in it."""

    name: str
    kind: Kind
    first: int
    last: int
    rows: int
    bytes: int


def read_list(connection: sqlite3.Connection) -> list[Segment]:
    """All of them, by their first time."""
    return [Segment(*row) for row in connection.execute("SELECT * FROM segments ORDER BY first")]


def enter(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    """Put segments on the list."""
    rows = [structs.astuple(segment) for segment in segments]
    connection.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)", rows)


def enter_points(
    connection: sqlite3.Connection, segments: Sequence[Segment], batch: int, latest: Sequence[tuple[Any, ...]]
) -> None:
    """Put them on the list and forget the log up to `batch`, of which they were made.

    `latest` are the newest points of their series, which are kept: at, seq, number, text and the series' number.
    """
    enter(connection, segments)
    connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])
    connection.executemany("UPDATE series SET at = ?, seq = ?, number = ?, text = ? WHERE id = ?", latest)


def enter_results(connection: sqlite3.Connection, segment: Segment, last: int) -> None:
    """Put one of results on the list and forget the rows up to `last`, from which it was made."""
    enter(connection, [segment])
    connection.execute("DELETE FROM results WHERE id <= ?", [last])


def forget(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Take segments off the list."""
    connection.executemany("DELETE FROM segments WHERE name = ?", [(name,) for name in names])
