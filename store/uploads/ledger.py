"""What is up, in `state.db`: spans of sources, rests, what was asked for, and sums. Each change is one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct, structs

from store.checksums import SUMMED, checksum
from store.uploads.work import Part, Source, Span

T = TypeVar("T")
_TABLES = tuple(table for table in SUMMED if table.startswith("upload_"))
_SMALL = tuple(table for table in _TABLES if table != "upload_parts")
_WANTED = "INSERT INTO upload_wants (upload, since, until, due, why) VALUES (?, ?, ?, ?, ?)"


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


class _Pages(Struct):
    """What is written of one upload."""

    parts: dict[str, list[Part]] = {}
    rests: list[Source] = []
    wants: list[Want] = []
    sums: Sums = Sums()


class Ledger:
    """The pages of one upload; what is read here is on disk."""

    def __init__(self, upload: str, database: Database, rests: Path) -> None:
        self._mine = (upload,)
        self._database = database
        self._folder = rests
        self._pages = _Pages()
        self.version = 0
        """Grows with every change."""

    @property
    def parts(self) -> dict[str, list[Part]]:
        """By source, the spans that are there or begun."""
        return self._pages.parts

    @property
    def rests(self) -> list[Source]:
        return self._pages.rests

    @property
    def wants(self) -> list[Want]:
        """By when they are due."""
        return self._pages.wants

    @property
    def sums(self) -> Sums:
        return self._pages.sums

    async def open(self) -> None:
        """Read everything back; a new upload begins with the events that come."""

        def work(db: sqlite3.Connection) -> None:
            (last,) = db.execute("SELECT coalesce(max(rowid), 0) FROM events").fetchone()
            db.execute(
                "INSERT OR IGNORE INTO upload_sums (upload, events, objects, rows, bytes, missed, at)"
                " VALUES (?, ?, 0, 0, 0, 0, 0)",
                [*self._mine, last],
            )

        await self._change(work, None)

    async def want(self, span: Span, due: int, why: str) -> None:
        """Keep that this is wanted. The same that waits already is enough."""

        def work(db: sqlite3.Connection) -> None:
            query = "SELECT 1 FROM upload_wants WHERE upload = ? AND since = ? AND until = ? AND why = ?"
            if db.execute(query, [*self._mine, *span, why]).fetchone() is None:
                db.execute(_WANTED, [*self._mine, *span, due, why])

        await self._change(work)

    async def satisfied(self, want: Want) -> None:
        await self._change(lambda db: db.execute("DELETE FROM upload_wants WHERE id = ?", [want.id]))

    async def follow(self, reading: Callable[[Sequence[Any]], Want | None]) -> None:
        """Look at the next thousand events at most; keep what they want, and how far was looked, together."""

        def news(db: sqlite3.Connection) -> list[tuple[object, ...]]:
            query = "SELECT rowid, at, kind, object, severity FROM events WHERE rowid > ? ORDER BY rowid LIMIT 1000"
            return db.execute(query, [self.sums.events]).fetchall()

        rows = await self._database.transact(news)
        wanted = [want for row in rows if (want := reading(row)) is not None]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(_WANTED, [(*self._mine, *want.span, want.due, want.why) for want in wanted])
            db.execute("UPDATE upload_sums SET crc = 0, events = ? WHERE upload = ?", [rows[-1][0], *self._mine])

        if rows:
            await self._change(work)

    async def begin(self, part: Part) -> None:
        """Before the first byte: from now on these rows go under this token or not at all."""
        await self._change(lambda db: self._put(db, [part]), [part.source])

    async def finish(self, part: Part, sums: Sums) -> None:
        """These rows are there; `sums` is what is added."""

        def work(db: sqlite3.Connection) -> None:
            self._put(db, [part])
            db.execute(
                "UPDATE upload_sums SET crc = 0, objects = objects + ?, rows = rows + ?, bytes = bytes + ?, at = ?"
                " WHERE upload = ?",
                [sums.objects, sums.rows, sums.bytes, sums.at, *self._mine],
            )

        await self._change(work, [part.source])

    async def missed(self, rows: int) -> None:
        """So many rows are gone that were to go."""
        command = "UPDATE upload_sums SET crc = 0, missed = missed + ? WHERE upload = ?"
        await self._change(lambda db: db.execute(command, [rows, *self._mine]))

    async def replace(self, gone: Iterable[str], parts: Sequence[Part], rests: Sequence[Source]) -> None:
        """What is gone is known by what took its place: `parts` of those, and `rests` that are still to go."""
        left = list(gone)

        def work(db: sqlite3.Connection) -> None:
            names = [(*self._mine, name) for name in left]
            db.executemany("DELETE FROM upload_parts WHERE upload = ? AND source = ?", names)
            db.executemany("DELETE FROM upload_rests WHERE upload = ? AND name = ?", names)
            self._put(db, parts)
            rows = [(*self._mine, r.name, r.kind, r.first, r.last, r.rows, r.bytes, r.digest) for r in rests]
            db.executemany("INSERT OR REPLACE INTO upload_rests VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", rows)

        await self._change(work, [*left, *(part.source for part in parts)])

    async def _change(self, work: Callable[[sqlite3.Connection], object], sources: Sequence[str] | None = ()) -> None:
        """One transaction, after which what is read here is what is written there: of the parts those of some sources.

        `None` reads all of them, which may be many: a part for each picture there is.
        """

        def whole(db: sqlite3.Connection) -> _Pages:
            work(db)
            for table in _SMALL:
                summed = f"UPDATE {table} SET crc = checksum({SUMMED[table]}) WHERE crc = 0"  # noqa: S608 - ours
                db.execute(f"{summed} AND upload = ?", self._mine)
            return self._read(db, sources)

        read = await self._database.transact(whole)
        known = {} if sources is None else dict.fromkeys(sources)
        parts = {name: spans for name, spans in self._pages.parts.items() if sources is not None and name not in known}
        self._pages = structs.replace(read, parts=parts | read.parts)
        self.version += 1

    def _put(self, db: sqlite3.Connection, parts: Sequence[Part]) -> None:
        rows = [(*self._mine, p.source, p.since, p.until, p.token, int(p.done)) for p in parts]
        summed = [(*row, checksum(*row)) for row in rows]
        db.executemany("INSERT OR REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?, ?, ?)", summed)

    def _read(self, db: sqlite3.Connection, sources: Sequence[str] | None) -> _Pages:
        def all_of(columns: str, table: str, order: str) -> list[tuple[Any, ...]]:
            query = f"SELECT {columns} FROM upload_{table} WHERE upload = ? ORDER BY {order}"  # noqa: S608 - ours
            return db.execute(query, self._mine).fetchall()

        parts: dict[str, list[Part]] = {}
        columns = "SELECT source, since, until, token, done FROM upload_parts WHERE upload = ?"
        if sources is None:
            found = db.execute(f"{columns} ORDER BY source, since", self._mine).fetchall()
        else:
            query = f"{columns} AND source = ? ORDER BY since"
            found = [row for name in dict.fromkeys(sources) for row in db.execute(query, [*self._mine, name])]
        for source, since, until, token, done in found:
            parts.setdefault(source, []).append(Part(source, since, until, token, done=bool(done)))
        rests = all_of("name, kind, first, last, rows, bytes, digest", "rests", "name")
        wants = all_of("id, since, until, due, why", "wants", "due, id")
        (sums,) = all_of("events, objects, rows, bytes, missed, at", "sums", "upload")
        return _Pages(
            parts,
            [Source(name, kind, self._folder / name, *rest) for name, kind, *rest in rests],
            [Want(number, (since, until), due, why) for number, since, until, due, why in wants],
            Sums(*sums),
        )


async def forget(database: Database, uploads: Iterable[str]) -> None:
    """Forget these uploads."""

    def work(db: sqlite3.Connection) -> None:
        for name in uploads:
            for table in _TABLES:
                db.execute(f"DELETE FROM {table} WHERE upload = ?", [name])  # noqa: S608 - ours

    await database.transact(work)


async def referred(database: Database) -> set[str]:
    """Names of all sources of which some upload knows that rows of theirs were sent."""
    rows = await database.transact(lambda db: db.execute("SELECT DISTINCT source FROM upload_parts").fetchall())
    return {name for (name,) in rows}
