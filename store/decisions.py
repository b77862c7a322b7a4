"""Decisions of rules as rows of `state.db`: a ring of bounded count and bytes, and the questions that `why` asks it."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from store.checksums import checksum
from store.columns import fitted_time
from twins.exchange import Decision

COLUMNS = "at, cause, rule, key, input, chosen, before, after, asked, body"
_CHUNK = 256
"""Rows that are let go together."""


class Kept(NamedTuple):
    """A decision with its number: those of one gateway grow in the order in which they were decided."""

    id: int
    decision: Decision


class Ring:
    """Keeps the newest: at most `most` of them, with bodies of `room` bytes. Owned by the database's thread."""

    def __init__(self, most: int = 100_000, room: int = 64 << 20) -> None:
        self._most = most
        self._room = room
        self._chunks: deque[tuple[int, int, int]] = deque()
        """The last number of each, how many rows it has, and their bytes."""
        self._rows = 0
        self._bytes = 0
        self._last = 0

    def recover(self, connection: sqlite3.Connection) -> None:
        """Count what is there."""
        self._chunks.clear()
        self._rows = self._bytes = self._last = 0
        rows = connection.execute("SELECT id, length(CAST(body AS BLOB)) FROM decisions ORDER BY id").fetchall()
        for start in range(0, len(rows), _CHUNK):
            self._count(rows[start : start + _CHUNK])

    def write(self, connection: sqlite3.Connection, decisions: Sequence[Decision]) -> list[tuple[int, int]]:
        """Add them and let the oldest go; give what is returned to `done` after the commit."""
        fresh = []
        rows = []
        for number, d in enumerate(decisions, self._last + 1):
            row = (fitted_time(d.at), d.cause, d.rule, d.key, d.input, d.chosen, d.before, d.after, d.asked, d.body)
            rows.append((number, *row, checksum(*row)))
            fresh.append((number, len(d.body.encode())))
        connection.executemany("INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        outdated = self._outdated(len(fresh), sum(size for _, size in fresh))
        if outdated:
            connection.execute("DELETE FROM decisions WHERE id <= ?", [self._chunks[outdated - 1][0]])
        return fresh

    def done(self, fresh: list[tuple[int, int]]) -> None:
        """What was written is on disk."""
        for _ in range(self._outdated(len(fresh), sum(size for _, size in fresh))):
            _, rows, size = self._chunks.popleft()
            self._rows -= rows
            self._bytes -= size
        self._count(fresh)

    def _outdated(self, rows: int, size: int) -> int:
        """How many of the oldest chunks go when so much comes."""
        over_rows, over_bytes = self._rows + rows - self._most, self._bytes + size - self._room
        count = 0
        for _, there, weight in self._chunks:
            if over_rows <= 0 and over_bytes <= 0:
                break
            over_rows, over_bytes, count = over_rows - there, over_bytes - weight, count + 1
        return count

    def _count(self, fresh: list[tuple[int, int]]) -> None:
        if not fresh:
            return
        size = sum(size for _, size in fresh)
        self._chunks.append((fresh[-1][0], len(fresh), size))
        self._rows += len(fresh)
        self._bytes += size
        self._last = fresh[-1][0]


def newest(connection: sqlite3.Connection, count: int) -> list[Decision]:
    """The newest, oldest first."""
    rows = _rows(connection, "ORDER BY id DESC LIMIT ?", count)
    return [kept.decision for kept in reversed(rows)]


def of_cause(connection: sqlite3.Connection, cause: str, count: int) -> list[Kept]:
    """What an input led to, timers that it began too, in order."""
    return _rows(connection, "WHERE cause = ? ORDER BY id LIMIT ?", cause, count)


def asking(connection: sqlite3.Connection, target: str, before: int = 1 << 62) -> Kept | None:
    """The last decision, of those with a number below `before`, that asked a value of `device/property`."""
    query = "SELECT max(id) FROM decisions WHERE asked <> '' AND id < ? AND instr(asked, ?)"
    (number,) = connection.execute(query, [before, f"\n{target}\n"]).fetchone()
    return next(iter(_rows(connection, "WHERE id = ?", number)), None)


def fed_by(connection: sqlite3.Connection, source: str, after: int, count: int) -> list[Kept]:
    """The first decisions, of those with a number above `after`, at what came of `device/property`."""
    return _rows(connection, "WHERE input = ? AND id > ? ORDER BY id LIMIT ?", source, after, count)


def listed(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """All as SQL shows them (no node)."""
    return connection.execute(
        "SELECT at, rule, key, input, chosen, before, after, cause, body FROM decisions ORDER BY id"
    ).fetchall()


def _rows(connection: sqlite3.Connection, condition: str, *values: object) -> list[Kept]:
    rows = connection.execute(f"SELECT id, {COLUMNS} FROM decisions {condition}", values)  # noqa: S608 - ours
    return [Kept(number, Decision(*row)) for number, *row in rows]
