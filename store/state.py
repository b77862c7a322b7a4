"""`state.db`: its schema, how it is opened, and what becomes of a damaged one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from store.checksums import SUMMED, checksum
from twins.errors import Broken, Unavailable

T = TypeVar("T")

FILE = "state.db"
CHECKED = 2
"""The first version of its schema with checksums."""

_SECOND = {name: columns for name, columns in SUMMED.items() if not name.startswith(("upload_", "decisions"))}
"""The tables that the second script knows."""
_SCHEMAS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
    CREATE TABLE twins (device TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE rules (key TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE timers (key TEXT PRIMARY KEY, due INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE TABLE manifests (kind TEXT, name TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, name)) STRICT;
    CREATE TABLE outbox (
        key TEXT PRIMARY KEY, kind TEXT NOT NULL, device TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
    CREATE TABLE events (
        id TEXT PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, object TEXT NOT NULL, severity TEXT NOT NULL,
        message TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_at ON events (at);
    CREATE TABLE results (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, device TEXT NOT NULL, model TEXT NOT NULL,
        seq INTEGER NOT NULL, part INTEGER NOT NULL, version TEXT NOT NULL, label TEXT, score REAL, x REAL, y REAL,
        w REAL, h REAL, track INTEGER, queue_us INTEGER NOT NULL, infer_us INTEGER NOT NULL, cause TEXT NOT NULL,
        UNIQUE (at, device, model, seq, part)
    ) STRICT;
    CREATE TABLE seen (batch INTEGER PRIMARY KEY, digests BLOB NOT NULL) STRICT;
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, at INTEGER, seq INTEGER, number REAL, text TEXT
    ) STRICT;
    CREATE TABLE point_log (
        batch INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, blob BLOB NOT NULL
    ) STRICT;
    CREATE TABLE segments (
        name TEXT PRIMARY KEY, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    """,
    ";".join(
        (
            "CREATE TABLE blobs (name TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL,"
            " bytes INTEGER NOT NULL) STRICT",
            "CREATE TABLE streams (key TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT",
            "ALTER TABLE segments ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
            *(f"ALTER TABLE {table} ADD COLUMN crc INTEGER NOT NULL DEFAULT 0" for table in _SECOND),
            "INSERT INTO meta (key, value) SELECT 'segment', value FROM meta WHERE key = 'batch'",
            *(f"UPDATE {table} SET crc = checksum({columns})" for table, columns in _SECOND.items()),  # noqa: S608 - ours
        )
    ),
    """
    CREATE TABLE upload_parts (
        upload TEXT, source TEXT, since INTEGER, until INTEGER NOT NULL, token TEXT NOT NULL, done INTEGER NOT NULL,
        crc INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (upload, source, since)
    ) STRICT;
    CREATE TABLE upload_rests (
        upload TEXT, name TEXT, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (upload, name)
    ) STRICT;
    CREATE TABLE upload_wants (
        id INTEGER PRIMARY KEY AUTOINCREMENT, upload TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
        due INTEGER NOT NULL, why TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE upload_sums (
        upload TEXT PRIMARY KEY, events INTEGER NOT NULL, objects INTEGER NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, missed INTEGER NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    """,
    """
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, cause TEXT NOT NULL, rule TEXT NOT NULL, key TEXT NOT NULL,
        input TEXT NOT NULL, chosen TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, asked TEXT NOT NULL,
        body TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX decisions_cause ON decisions (cause);
    CREATE INDEX decisions_input ON decisions (input);
    CREATE INDEX decisions_asked ON decisions (asked) WHERE asked <> '';
    """,
)
"""One script a version; `user_version` counts those applied. Never change one that was released: add the next."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


class Damaged(Exception):
    """The file is no sound database."""


class Database(aiosqlite.Connection):
    """A connection to `state.db` whose thread takes a whole transaction at once: a trip a statement halves the rate."""

    def __init__(self, path: Path, most: int = 0) -> None:
        super().__init__(lambda: _connect(path, most), iter_chunk_size=64)
        self._thread.daemon = True  # a process that dies without closing must not hang on its journal

    async def open(self) -> None:
        """Connect. When that fails, the thread has ended too: it would otherwise speak to a loop that may be closed."""
        try:
            await self
        except BaseException:
            await asyncio.to_thread(self._thread.join, 5.0)
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in the connection's thread; it goes on even if the caller is cancelled."""
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on disk when it returns."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def passing(error: BaseException) -> bool:
    """True if the same write may succeed later: disk full, I/O error, locked."""
    return _code(error) in _PASSING


def damaged(error: BaseException) -> bool:
    """True if the file's content is at fault, and no retry will mend it."""
    return isinstance(error, Damaged) or _code(error) in _DAMAGE


def lock(directory: Path) -> int:
    """Make this process the only one that writes here; returns a descriptor to close. Raises Unavailable."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"{directory}: cannot be written ({error.strerror}): give this user the right to, or set [store] path"
        raise Unavailable(message) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = f"{directory}: another gateway uses this store: stop it, or set another [store] path"
        raise Unavailable(message) from error
    return descriptor


def set_aside(directory: Path) -> Path:
    """Move the damaged file (and its log) away; returns its new name."""
    number = 1
    while (directory / f"{FILE}.damaged-{number}").exists():
        number += 1
    aside = directory / f"{FILE}.damaged-{number}"
    for suffix in ("-wal", "-shm", ""):
        source = directory / f"{FILE}{suffix}"
        if source.exists():
            source.rename(directory / f"{FILE}.damaged-{number}{suffix}")
    return aside


def sign(version: int) -> int:
    """What the header holds beside the schema's version, from `CHECKED` on, to know whether that was written."""
    return checksum("gemelo", version) & 0x7FFF_FFFF if version >= CHECKED else 0


def _connect(path: Path, most: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF", "journal_size_limit=16777216"):
            connection.execute(f"PRAGMA {pragma}")
        _check(connection)
        _migrate(connection)
        _verify_schema(connection)
        if most:
            (page,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {most // page}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise Damaged(str(verdict))


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (signed,) = connection.execute("PRAGMA application_id").fetchone()
    if signed != sign(version):
        message = f"its header says schema {version}, which is not what was written there"
        raise Damaged(message)
    if version > len(_SCHEMAS):
        message = (
            f"{FILE} has schema {version}, this Gemelo knows {len(_SCHEMAS)}: start the newer Gemelo that wrote it"
        )
        raise Broken(message)
    connection.create_function("checksum", -1, checksum, deterministic=True)
    for number, script in enumerate(_SCHEMAS[version:], version + 1):
        with transaction(connection):
            for statement in script.split(";"):
                connection.execute(statement)
            if number == 1:
                connection.execute(
                    "INSERT INTO meta VALUES ('boot', 0), ('batch', 0), ('id', ?)", [secrets.token_hex(4)]
                )
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {sign(number)}")


def _verify_schema(connection: sqlite3.Connection) -> None:
    """Raise Damaged unless tables and columns are those of the scripts."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        _migrate(fresh)
        if _schema(fresh) != _schema(connection):
            message = "its tables are not described as they were written"
            raise Damaged(message)


def _schema(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
