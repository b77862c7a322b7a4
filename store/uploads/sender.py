"""One job from rows to objects: made in a file, in an envelope where wanted, no faster than it may be, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from runtime.clock import Clock
from store.uploads import envelope, objects
from store.uploads.aligning import on_clock
from store.uploads.destination import Destination
from store.uploads.ledger import Sums
from store.uploads.manifest import Upload
from store.uploads.objects import Form, Made
from store.uploads.pace import Pace
from store.uploads.pictures import JPEG, PREFIX, camera
from store.uploads.selection import Gate, parted
from store.uploads.shelf import Shelf
from store.uploads.thinning import thin
from store.uploads.work import DAY, Job, Source, Span
from twins.errors import Unavailable

if TYPE_CHECKING:
    import sqlite3

_PIECE = 65_536

Audit = Callable[[dict[tuple[str, str], int]], Awaitable[None]]
"""Told of rows that a `never` keeps here, by its id and the device."""


class Changed(Exception):
    """What may go is another now: begin the job again."""


class Sender:
    """Sends for one upload. Raises `Rejected` for a destination or a key that can't be."""

    def __init__(
        self, upload: Upload, node: str, shelf: Shelf, gate: Callable[[], Gate], audit: Audit, clock: Clock
    ) -> None:
        spec = upload.spec
        assert spec.destination is not None  # checked with the manifest
        self._destination = Destination(spec.destination)
        self._key = None if spec.encryption is None else envelope.read_key(Path(spec.encryption.key_file))
        self._thin = thin(spec.sampling)
        self._align = None if spec.align is None else on_clock(spec.align)
        self._format = spec.format
        self._node = node
        self._shelf = shelf
        self._gate = gate
        self._audit = audit
        self._pace = Pace(spec.bytes_per_second, clock)
        self._id = upload.id

    async def send(self, job: Job, path: Path, others: Sequence[Source]) -> tuple[Sums, int]:
        """All objects of a job; those that are there are not sent again. What went, and how many rows a `never` kept.

        Rows come from `path`; of an aligned day from the `others`.

        Raises `Unavailable`, `Changed`, and OSError or pa.ArrowException for what can't be read or written here.
        """
        gate = self._gate()
        if job.source.kind == "pictures":
            return await self._picture(job, path, gate)
        sums, blocked = Sums(), 0
        for day in await asyncio.to_thread(objects.days_of, path, job.span) if not others else [job.span[0] // DAY]:
            target = self._shelf.scratch(self._id)
            try:
                made = await asyncio.to_thread(self._made, job, path, others, day, gate, target)
                made = await asyncio.to_thread(self._formed, made, target)
                await self._audit(made.held)
                blocked += sum(made.held.values())
                if made.rows:
                    name = self._name(job, day, f".{self._format}")
                    sent = await self._put(name, _pieces(target), made.bytes, gate)
                    sums = Sums(objects=sums.objects + 1, rows=sums.rows + made.rows, bytes=sums.bytes + sent)
            finally:
                target.unlink(missing_ok=True)
        return sums, blocked

    def _made(self, job: Job, path: Path, others: Sequence[Source], day: int, gate: Gate, target: Path) -> Made:
        span: Span = objects.within(day, job.span)
        if self._align is not None:
            return objects.make_aligned([source.path for source in others], day, gate, self._align, target)
        return objects.make(path, job.source.kind, span, Form(gate, self._thin), target)

    def _formed(self, made: Made, target: Path) -> Made:
        """In lines, where those are wanted."""
        if self._format == "jsonl" and made.rows:
            from store.uploads.lines import rewrite

            made.bytes = rewrite(target, self._node)
        return made

    async def _picture(self, job: Job, path: Path, gate: Gate) -> tuple[Sums, int]:
        """A picture of which nobody knows whose it is stays where anything is kept back."""

        def whose(db: sqlite3.Connection) -> str:
            return camera(db, job.source.name)

        device = await self._shelf.journal.transact(whose)
        namespace, name, _ = parted(device or "unknown/unknown")
        wanted, block = gate.verdict(namespace, name, "pictures")
        if not device and gate.guarded:
            block = "a picture whose camera is not known"
        if block:
            await self._audit({(block, device or job.source.name): 1})
        if not wanted or block:
            return Sums(), int(bool(block))
        content = await asyncio.to_thread(path.read_bytes)
        name = self._name(job, job.span[0] // DAY, ".jpg" if content.startswith(JPEG) else ".bin")
        sent = await self._put(name, [content], len(content), gate)
        return Sums(objects=1, rows=1, bytes=sent), 0

    async def _put(self, name: str, pieces: Iterable[bytes], size: int, gate: Gate) -> int:
        """The object is there; how many bytes went."""
        if self._key is not None:
            name += envelope.SUFFIX
            pieces = envelope.sealed(pieces, name, self._key)
        if await self._destination.has(name):
            return 0
        way = _Way(pieces, self._pace, lambda: self._gate().version == gate.version)
        try:
            await self._destination.put(name, way.bytes(), size)
        except Unavailable:
            if way.barred:
                raise Changed from None
            raise
        return way.sent

    def _name(self, job: Job, day: int, ending: str) -> str:
        """As Hive's readers have it: columns in the folders' names."""
        stem = job.source.name.removeprefix(PREFIX).removesuffix(".parquet").replace(":", "-")
        date = objects.day_name(day)
        return f"{job.source.kind}/node={self._node}/day={date}/{stem}-{job.token}{ending}"


class _Way(Struct):
    """Pieces on their way out, for as long as they may go."""

    pieces: Iterable[bytes]
    pace: Pace
    free: Callable[[], bool]
    sent: int = 0
    barred: bool = False

    async def bytes(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await self.pace.take(len(piece))
            if not self.free():
                self.barred = True
                raise Changed
            self.sent += len(piece)
            yield piece


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
