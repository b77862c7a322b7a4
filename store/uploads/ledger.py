"""What is up, in `state.db`: spans of sources, rests, what was asked for, and sums. Each change is one transaction.

The tables are made when the first upload is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from store.uploads.work import Part, Source, Span

T = TypeVar("T")

_TABLES = (
    """CREATE TABLE IF NOT EXISTS upload_parts (
        upload TEXT, source TEXT, since INTEGER, until INTEGER NOT NULL, token TEXT NOT NULL, done INTEGER NOT NULL,
        PRIMARY KEY (upload, source, since)) STRICT""",
    """CREATE TABLE IF NOT EXISTS upload_rests (
        upload TEXT, name TEXT, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (upload, name)) STRICT""",
    """CREATE TABLE IF NOT EXISTS upload_wants (
        id INTEGER PRIMARY KEY AUTOINCREMENT, upload TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
        due INTEGER NOT NULL, why TEXT NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS upload_sums (
        upload TEXT PRIMARY KEY, events INTEGER NOT NULL, objects INTEGER NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, missed INTEGER NOT NULL, at INTEGER NOT NULL) STRICT""",
)


class Database(Protocol):
    """The journal: one transaction between two commits."""

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


class Want(Struct, frozen=True):
    """Somebody or something wants what lies in `span`, from `due` on."""

    id: int
    span: Span
    due: int
    why: str


class Sums(Struct, frozen=True):
    """What went, ever: `events` is the last event looked at, `missed` rows that were removed here before they went."""

    events: int = 0
    objects: int = 0
    rows: int = 0
    bytes: int = 0
    missed: int = 0
    at: int = 0


class Ledger:
    """The pages of one upload."""

    def __init__(self, upload: str, database: Database, rests: Path) -> None:
        self._upload = upload
        self._database = database
        self._rests = rests
        self.parts: dict[str, list[Part]] = {}
        self.rests: list[Source] = []
        self.wants: list[Want] = []
        self.sums = Sums()
        self.version = 0
        """Grows with every change."""

    async def open(self) -> None:
        """Read everything back; a new upload begins with the events that come."""

        def work(db: sqlite3.Connection) -> None:
            for table in _TABLES:
                db.execute(table)
            last = "(SELECT coalesce(max(rowid), 0) FROM events)"
            db.execute(f"INSERT OR IGNORE INTO upload_sums VALUES (?, {last}, 0, 0, 0, 0, 0)", [self._upload])  # noqa: S608
            self._read(db)

        await self._database.transact(work)

    async def want(self, span: Span, due: int, why: str) -> None:
        """Keep that this is wanted. What waits already and holds it is enough."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO upload_wants (upload, since, until, due, why) SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS"
                " (SELECT 1 FROM upload_wants WHERE upload = ?1 AND since = ?2 AND until = ?3 AND why = ?5)",
                [self._upload, *span, due, why],
            )
            self._read(db)

        await self._database.transact(work)

    async def satisfied(self, want: Want) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM upload_wants WHERE id = ?", [want.id])
            self._read(db)

        await self._database.transact(work)

    async def follow(self, reading: Callable[[Sequence[object]], Want | None]) -> int:
        """Look at events that came since the last look; keep what they want, and how far was looked, together."""

        def work(db: sqlite3.Connection) -> int:
            query = "SELECT rowid, at, kind, object, severity FROM events WHERE rowid > ? ORDER BY rowid LIMIT 1000"
            rows = db.execute(query, [self.sums.events]).fetchall()
            for row in rows:
                want = reading(row)
                if want is not None:
                    wanted = [self._upload, *want.span, want.due, want.why]
                    db.execute(
                        "INSERT INTO upload_wants (upload, since, until, due, why) VALUES (?, ?, ?, ?, ?)", wanted
                    )
            if rows:
                db.execute("UPDATE upload_sums SET events = ? WHERE upload = ?", [rows[-1][0], self._upload])
                self._read(db)
            return len(rows)

        return await self._database.transact(work)

    async def begin(self, part: Part) -> None:
        """Before the first byte: from now on these rows go under this token or not at all."""

        def work(db: sqlite3.Connection) -> None:
            self._put(db, [part])
            self._read(db)

        await self._database.transact(work)

    async def finish(self, part: Part, sums: Sums) -> None:
        """These rows are there; `sums` is what is added."""

        def work(db: sqlite3.Connection) -> None:
            self._put(db, [part])
            db.execute(
                "UPDATE upload_sums SET objects = objects + ?, rows = rows + ?, bytes = bytes + ?, at = ?"
                " WHERE upload = ?",
                [sums.objects, sums.rows, sums.bytes, sums.at, self._upload],
            )
            self._read(db)

        await self._database.transact(work)

    async def missed(self, rows: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE upload_sums SET missed = missed + ? WHERE upload = ?", [rows, self._upload])
            self._read(db)

        await self._database.transact(work)

    async def replace(self, gone: Iterable[str], parts: Sequence[Part], rests: Sequence[Source]) -> None:
        """What is gone is known by what took its place: `parts` of those, and `rests` that are still to go."""

        def work(db: sqlite3.Connection) -> None:
            names = [(self._upload, name) for name in gone]
            db.executemany("DELETE FROM upload_parts WHERE upload = ? AND source = ?", names)
            db.executemany("DELETE FROM upload_rests WHERE upload = ? AND name = ?", names)
            self._put(db, parts)
            rows = [(self._upload, r.name, r.kind, r.first, r.last, r.rows, r.bytes, r.digest) for r in rests]
            db.executemany("INSERT OR REPLACE INTO upload_rests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._read(db)

        await self._database.transact(work)

    def _put(self, db: sqlite3.Connection, parts: Sequence[Part]) -> None:
        rows = [(self._upload, p.source, p.since, p.until, p.token, p.done) for p in parts]
        db.executemany("INSERT OR REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _read(self, db: sqlite3.Connection) -> None:
        mine = [self._upload]
        parts: dict[str, list[Part]] = {}
        columns = "source, since, until, token, done"
        for row in db.execute(f"SELECT {columns} FROM upload_parts WHERE upload = ?", mine):  # noqa: S608 - ours
            part = Part(row[0], row[1], row[2], row[3], done=bool(row[4]))
            parts.setdefault(part.source, []).append(part)
        columns = "name, kind, first, last, rows, bytes, digest"
        rests = db.execute(f"SELECT {columns} FROM upload_rests WHERE upload = ? ORDER BY name", mine)  # noqa: S608
        self.rests = [Source(row[0], row[1], self._rests / row[0], *row[2:]) for row in rests]
        wants = db.execute(
            "SELECT id, since, until, due, why FROM upload_wants WHERE upload = ? ORDER BY due, id", mine
        )
        self.wants = [Want(row[0], (row[1], row[2]), row[3], row[4]) for row in wants]
        query = "SELECT events, objects, rows, bytes, missed, at FROM upload_sums WHERE upload = ?"
        self.sums = Sums(*db.execute(query, mine).fetchone())
        self.parts = parts
        self.version += 1


async def forget(database: Database, uploads: Iterable[str]) -> None:
    """Forget these uploads."""

    def work(db: sqlite3.Connection) -> None:
        for table in _TABLES:
            db.execute(table)
        for name in uploads:
            for table in ("parts", "rests", "wants", "sums"):
                db.execute(f"DELETE FROM upload_{table} WHERE upload = ?", [name])  # noqa: S608 - ours

    await database.transact(work)


async def referred(database: Database) -> set[str]:
    """Names of all sources of which some upload knows that rows of theirs were sent."""
    rows = await database.transact(lambda db: db.execute("SELECT DISTINCT source FROM upload_parts").fetchall())
    return {name for (name,) in rows}
