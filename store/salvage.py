"""What can still be read of a damaged `state.db`, row by row, into the new one that takes its place."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from store.checksums import SUMMED, checksum, note
from store.columns import Columns
from store.state import FILE, transaction
from twins.exchange import Event

TABLES = (
    "manifests",
    "twins",
    "rules",
    "streams",
    "timers",
    "outbox",
    "events",
    "results",
    "seen",
    "series",
    "point_log",
    "blobs",
    "upload_parts",
    "upload_rests",
    "upload_wants",
    "upload_sums",
    "decisions",
)
"""All but the count of starts and the list of segments, which is made again from the files."""
_LONGEST = 1 << 34
"""Bytes; a header that tells more is not believed."""


class Damage(Struct, frozen=True):
    """A `state.db` that was set aside: where it is, why, and when in microseconds UTC."""

    aside: Path
    reason: str
    at: int


def told(damage: Damage, connection: sqlite3.Connection) -> Event:
    """Read back what can be read into the empty database of `connection`; the one event that tells of it."""
    try:
        found = salvage(damage.aside, connection)
    except (OSError, sqlite3.Error) as error:
        read, found = f"nothing could be read back ({error})", {}
    else:
        read = "read back: " + (", ".join(f"{n} {table}" for table, n in found.items() if n) or "nothing")
    return Event(
        id=f"store:damaged:{damage.at}",
        at=damage.at,
        kind="StoreDamaged",
        object=FILE,
        severity="error",
        message=f"{FILE} was damaged ({damage.reason}); it is kept as {damage.aside.name}; {read}",
        detail={"file": damage.aside.name} | {table: str(n) for table, n in found.items()},
    )


def salvage(damaged: Path, connection: sqlite3.Connection) -> dict[str, int]:
    """Copy what can be read into the empty database of `connection`; the number of rows by table, none left out.

    Works on a copy, so that the damaged file stays as it was found. Raises OSError where there is no room for one.
    """
    with tempfile.TemporaryDirectory(dir=damaged.parent, prefix="salvage-") as folder:
        copy = Path(folder) / "state.db"
        for suffix in ("", "-wal"):
            source = damaged.with_name(damaged.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        _fill(copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as old, transaction(connection):
            for table in TABLES:
                _copy(old, connection, table)
            _keep_readable_points(connection)
            _go_on_counting(connection)
            return {table: _one(connection, f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608 - ours


def _fill(copy: Path) -> None:
    """Give a file that was cut off the length its header tells: SQLite reads nothing at all of a shorter one."""
    with copy.open("r+b") as file:
        header = file.read(100)
        page = int.from_bytes(header[16:18], "big")
        length = (65_536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
        if copy.stat().st_size < length <= _LONGEST:
            file.truncate(length)


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    """All rows that say what was written; of a file from before there were checksums, all."""
    try:
        has = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    known = [column for column in columns if column in has]
    summed = [known.index(column) for column in SUMMED[table].split(", ") if column in known]
    names, marks = ", ".join(known), ", ".join("?" * len(known))
    for row in _rows(old, table, names):
        try:
            total = checksum(*(row[place] for place in summed))
            if "crc" not in has or total == row[-1]:
                new.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608 - names of ours
        except (sqlite3.IntegrityError, UnicodeEncodeError):  # a value that is not of its column's type
            continue
    if "crc" not in has:
        new.execute(f"UPDATE {table} SET crc = checksum({SUMMED[table]})")  # noqa: S608 - names of ours


def _rows(old: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """All rows up to the first bad page, then from the other end up to the last."""
    seen: set[int] = set()
    for order in ("ASC", "DESC"):
        try:
            found = old.execute(f"SELECT rowid, {columns} FROM {table} ORDER BY rowid {order}")  # noqa: S608 - ours
            for rowid, *row in found:
                if rowid in seen:
                    return
                seen.add(rowid)
                yield tuple(row)
        except (sqlite3.Error, UnicodeDecodeError):
            continue
        else:
            return


def _keep_readable_points(connection: sqlite3.Connection) -> None:
    """Points name their series by number: without all names up to theirs nobody knows whose they are."""
    count = _one(connection, "SELECT count(*) FROM series")
    if count != _one(connection, "SELECT coalesce(max(id) + 1, 0) FROM series"):
        connection.execute("DELETE FROM series")
        connection.execute("DELETE FROM point_log")
        return
    logged = connection.execute("SELECT batch, blob FROM point_log").fetchall()
    lost = [(batch,) for batch, blob in logged if not _readable(blob, count)]
    connection.executemany("DELETE FROM point_log WHERE batch = ?", lost)
    digests = connection.execute("SELECT batch, digests FROM seen").fetchall()
    connection.executemany("DELETE FROM seen WHERE batch = ?", [(b,) for b, blob in digests if not _is_digests(blob)])


def _readable(blob: bytes, series: int) -> bool:
    try:
        columns = Columns.unpack(blob)
    except (msgspec.MsgspecError, ValueError):
        return False
    return len(columns) > 0 and max(columns.series) < series


def _is_digests(blob: bytes) -> bool:
    try:
        msgspec.msgpack.decode(blob, type=list[int])
    except msgspec.MsgspecError:
        return False
    return True


def _go_on_counting(connection: sqlite3.Connection) -> None:
    """The next batch must come after those that were read."""
    last = "SELECT max(batch) FROM (SELECT batch FROM point_log UNION ALL SELECT batch FROM seen)"
    note(connection, "batch", _one(connection, f"SELECT coalesce(({last}), 0)"))


def _one(connection: sqlite3.Connection, query: str) -> int:
    (value,) = connection.execute(query).fetchone()
    return int(value)
