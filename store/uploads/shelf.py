"""What uploads take from: the store's segments and pictures.

Segments of which rows were sent are held by a second name, here in `folder`:

folder/held/    second names of segments: what was sent of one is known when another has taken its place
folder/rests/   rows of merged segments that are still to go, a file an upload and segment
folder/spool/   the object that is being sent, one an upload; emptied at each start
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol, TypeVar

from store.parquet import sync
from store.segment import Segment
from store.uploads import pictures
from store.uploads.ledger import referred
from store.uploads.manifest import Kind
from store.uploads.work import Source

T = TypeVar("T")


class Segments(Protocol):
    """The sealed files."""

    @property
    def known(self) -> tuple[Segment, ...]: ...

    def path(self, segment: Segment) -> Path: ...

    async def seal(self) -> Sequence[Segment]: ...


class Journal(Protocol):
    """`state.db`, and the names of all series."""

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T: ...

    @property
    def series(self) -> Sequence[str]: ...


class Shelf:
    """One for all uploads; used in the loop alone."""

    def __init__(self, segments: Segments, journal: Journal, blobs: Path, folder: Path) -> None:
        self.journal = journal
        self.rests = folder / "rests"
        self.spool = folder / "spool"
        self._segments = segments
        self._blobs = blobs
        self._held = folder / "held"
        self._pinned: set[str] = set()
        self._numbers = count()

    async def open(self) -> None:
        """Make the folders, and remove what a kill left."""

        def work() -> None:
            shutil.rmtree(self.spool, ignore_errors=True)
            for folder in (self.rests, self.spool, self._held):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        await asyncio.to_thread(work)

    async def tidy(self, prefix: str, names: set[str]) -> None:
        """Remove the rests with this prefix that the ledger does not know: a kill left them."""

        def work() -> None:
            for path in self.rests.glob(f"{prefix}*"):
                if path.name not in names:
                    path.unlink(missing_ok=True)

        await asyncio.to_thread(work)

    @property
    def known(self) -> tuple[Segment, ...]:
        """Another one when anything changed."""
        return self._segments.known

    def sources(self, kinds: Iterable[Kind]) -> list[Source]:
        """The segments of points and results."""
        return [
            Source(s.name, kind, self._segments.path(s), s.first, s.last, s.rows, s.bytes, s.name)
            for s in self.known
            for kind in kinds
            if s.kind == kind
        ]

    async def pictures(self) -> list[Source]:
        return await self.journal.transact(lambda db: pictures.found(db, self._blobs))

    async def seal(self) -> None:
        """What is only in memory becomes segments. Raises OSError, ValueError or sqlite3.Error."""
        await self._segments.seal()

    def held(self, name: str) -> Path:
        """A segment's second name."""
        return self._held / name

    async def hold(self, source: Source) -> Path:
        """Give a segment its second name, on disk. Raises FileNotFoundError when it is gone already."""
        path = self.held(source.name)
        self._pinned.add(source.name)
        try:
            await asyncio.to_thread(_linked, source.path, path)
        except FileNotFoundError:
            self._pinned.discard(source.name)
            raise
        return path

    def entered(self, name: str) -> None:
        """The ledger speaks of a held segment: from now on that keeps it."""
        self._pinned.discard(name)

    async def sweep(self) -> None:
        """Let go of segments that no ledger speaks of."""
        pinned, held = set(self._pinned), {path.name for path in self._held.iterdir()}
        for name in held - pinned - await referred(self.journal) - self._pinned:
            self.held(name).unlink(missing_ok=True)

    def scratch(self, upload: str) -> Path:
        """A file of its own: a thread that nobody waits for any more may still write to the last one."""
        return self.spool / f"{upload.replace('/', '.')}.{next(self._numbers)}"


def kind_of(name: str) -> Kind:
    """What a segment holds, by its name."""
    return "results" if "-results-" in name else "points"


def is_segment(name: str) -> bool:
    """True for the name of a segment; else it is a day, a picture or a rest."""
    return name.endswith(".parquet") and ".rest." not in name


def keep(made: Path, name: Path) -> None:
    """Let a complete file be on disk under its name."""
    sync(made)
    made.rename(name)
    sync(name.parent)


def _linked(path: Path, name: Path) -> None:
    if name.exists():
        return
    try:
        os.link(path, name)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise
    except OSError:  # a filesystem without second names
        copy = name.with_suffix(".tmp")
        shutil.copyfile(path, copy)
        keep(copy, name)
    sync(name.parent)
