"""Blobs: pictures, clips and whatever is too large for a row, by their content. `state.db` knows them by name.

blobs/9f/9f86d081…        named by the SHA-256 of what is in it: the same content twice is one file
name → digest             what people and rows call it; several names may mean one file
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from runtime.clock import Clock
from store.checksums import checksum
from store.parquet import sync
from twins.errors import Rejected

logger = logging.getLogger(__name__)

T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII | re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Index(Protocol):
    """Where names are kept: the journal."""

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


class Blobs:
    """Files in `path`, together at most `quota` bytes: beyond, those that were put first go. `open` it first.

    A name is 1 to 128 letters, digits, dots, hyphens and underscores, and begins with a letter or digit.
    """

    def __init__(self, path: Path, quota: int, index: Index, clock: Clock) -> None:
        self._path = path
        self._quota = quota
        self._index = index
        self._clock = clock
        self._turn = asyncio.Lock()

    async def open(self, earlier: Path) -> None:
        """Put files and names in step; take over the pictures of an earlier version, `KEY.jpg` in `earlier`."""
        known = {digest for (digest,) in await self._index.transact(_digests)}
        found = await asyncio.to_thread(_found, self._path)
        rows = [(name, name, at, size) for name, (at, size) in found.items() if name not in known]
        if lost := known - found.keys():
            logger.error("%d blobs are gone from %s", len(lost), self._path)
        if rows or lost:
            await self._index.transact(lambda db: _agree(db, rows, lost))
        for path in await asyncio.to_thread(lambda: sorted(earlier.glob("*.jpg"), key=lambda one: one.stat().st_mtime)):
            if _NAME.fullmatch(path.stem):
                await self.put(path.stem, await asyncio.to_thread(path.read_bytes))
            path.unlink()

    async def put(self, name: str, data: bytes) -> str:
        """Keep a blob, and return its digest; the same name again means the new one. Raises Rejected, OSError."""
        _check(name)
        if len(data) > self._quota:
            reason = f"blob {name}: {len(data)} bytes are more than the whole quota of {self._quota}"
            raise Rejected(reason, 413)
        async with self._turn:
            dropped = await self._index.transact(lambda db: _forget(db, name, self._quota - len(data)))
            await asyncio.to_thread(_remove, self._path, dropped)
            digest = await asyncio.to_thread(_write, self._path, data)
            row = name, digest, self._clock.now(), len(data)
            await self._index.transact(lambda db: _enter(db, [row]))
        return digest

    async def get(self, name: str) -> bytes | None:
        """What is called so, or has this digest; `None` if there is none (any more). Raises Rejected for a bad name."""
        _check(name)
        digest = await self._index.transact(lambda db: _digest(db, name)) or name
        if not _DIGEST.fullmatch(digest):
            return None
        data = await asyncio.to_thread(_read, _place(self._path, digest))
        if data is not None and hashlib.sha256(data).hexdigest() != digest:
            return None  # damaged: `gemelo doctor` tells of it
        return data


def files(path: Path) -> Iterator[Path]:
    """All blobs in a folder; half written ones are none."""
    return (one for one in path.glob("??/*") if _DIGEST.fullmatch(one.name))


def count(path: Path) -> int:
    return sum(1 for _ in files(path))


def unsound(path: Path) -> Iterator[str]:
    """Those whose content is not what their name says, or cannot be read; what goes meanwhile is none of them."""
    for one in files(path):
        try:
            with one.open("rb") as file:
                sound = hashlib.file_digest(file, "sha256").hexdigest() == one.name
        except FileNotFoundError:
            continue
        except OSError:
            sound = False
        if not sound:
            yield one.name


def missing(path: Path, connection: sqlite3.Connection) -> Iterator[str]:
    """The names whose blob is not there."""
    for name, digest in connection.execute("SELECT name, digest FROM blobs ORDER BY name"):
        if not _place(path, digest).exists():
            yield name


def _write(folder: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    target = _place(folder, digest)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(target.parent)
    return digest


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _place(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or ".." in name:
        reason = f"blob {name[:80]!r}: use letters, digits, '.', '-' and '_' for a name, at most 128"
        raise Rejected(reason)


def _found(folder: Path) -> dict[str, tuple[int, int]]:
    """When each was written, in microseconds, and its size; what a kill left half written goes."""
    for half in folder.glob("??/*.tmp"):
        half.unlink()
    stats = {path.name: path.stat() for path in files(folder)}
    return {name: (int(stat.st_mtime * 1e6), stat.st_size) for name, stat in stats.items()}


def _remove(folder: Path, digests: Iterable[str]) -> None:
    for digest in digests:
        _place(folder, digest).unlink(missing_ok=True)


def _digests(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT digest FROM blobs").fetchall()


def _digest(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT digest FROM blobs WHERE name = ?", [name]).fetchone()
    return None if row is None else str(row[0])


def _forget(connection: sqlite3.Connection, renewed: str, room: int) -> set[str]:
    """Take one name away, and the oldest until what the others mean is no more than `room` bytes.

    The digests that nothing means any more.
    """
    kept: set[str] = set()
    dropped: set[str] = set()
    rows = connection.execute("SELECT name, digest, bytes FROM blobs ORDER BY at DESC, name").fetchall()
    for name, digest, size in rows:
        if name != renewed and (digest in kept or size <= room):
            room -= 0 if digest in kept else size
            kept.add(digest)
        else:
            room = room if name == renewed else -1  # what is older goes too
            dropped.add(digest)
            connection.execute("DELETE FROM blobs WHERE name = ?", [name])
    return dropped - kept


def _agree(connection: sqlite3.Connection, rows: Sequence[tuple[str, str, int, int]], lost: set[str]) -> None:
    _enter(connection, rows)
    connection.executemany("DELETE FROM blobs WHERE digest = ?", [(digest,) for digest in lost])


def _enter(connection: sqlite3.Connection, rows: Sequence[tuple[str, str, int, int]]) -> None:
    summed = [(*row, checksum(*row)) for row in rows]
    connection.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)", summed)
