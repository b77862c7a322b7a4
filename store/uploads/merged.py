"""Segments that were merged: what was sent of them is known of what took their place, and what was not becomes a rest.

When a segment is gone from the list, its rows are in others or nowhere. Each segment that came since and overlaps it
counts as sent in the spans in which the gone ones were, and its rows in those spans that none of them has go as a rest.
It is right for one that has nothing to do with them too: then all of these rows are its rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

from store.segment import Segment
from store.uploads.ledger import Ledger
from store.uploads.manifest import Upload
from store.uploads.shelf import Shelf, is_segment, keep, kind_of
from store.uploads.work import Part, Source, Span, less, shared, together
from twins.exchange import Severity

Tell = Callable[[str, Severity, str], Awaitable[None]]


class Merged:
    """Keeps the ledger of one upload in step with the list of segments."""

    def __init__(self, upload: Upload, shelf: Shelf, ledger: Ledger, tell: Tell) -> None:
        self._upload = upload
        self._shelf = shelf
        self._ledger = ledger
        self._tell = tell
        self._seen: tuple[Segment, ...] | None = None
        self.sources: list[Source] = []
        """The segments as last taken up: what is planned from these is never what was sent in another form."""
        self.version = 0
        """Grows with every change of these."""

    async def look(self) -> None:
        """Take up what changed. Raises OSError or ValueError: then nothing was taken up, and it is tried again."""
        await self._finish_rests()
        known = self._shelf.known
        if known is self._seen:
            return
        sources = self._shelf.sources(self._upload.spec.select.kinds)
        if self._upload.spec.align is None:
            there = {source.name for source in sources}
            gone = [name for name in self._ledger.parts if is_segment(name) and name not in there]
            if any(not part.done for name in gone for part in self._ledger.parts[name]):
                return  # what was begun goes first
            if gone:
                await self._hand_on(gone, sources)
            await self._count_missed(sources)
            await self._retire(sources)
        await self._shelf.sweep()
        self._seen, self.sources = known, sources
        self.version += 1

    async def _hand_on(self, gone: Sequence[str], sources: Sequence[Source]) -> None:
        parts, rests = [], []
        for source in sources:
            if source.name in self._ledger.parts:
                continue  # older than the merge: it has no row of theirs
            others = {name: spans for name in gone if (spans := self._common(name, source))}
            if not others:
                continue
            await self._shelf.hold(source)
            taken = together(span for spans in others.values() for span in spans)
            parts += [Part(source.name, *span, "", done=True) for span in taken]
            rest = await self._rest(source, taken, others)
            rests += [rest] if rest else []
        await self._ledger.replace(gone, parts, rests)
        for part in parts:
            self._shelf.entered(part.source)

    def _common(self, name: str, source: Source) -> list[Span]:
        if kind_of(name) != source.kind:
            return []
        spans = (shared((part.since, part.until), (source.first, source.last)) for part in self._ledger.parts[name])
        return [span for span in spans if span is not None]

    async def _rest(self, source: Source, taken: Sequence[Span], others: dict[str, list[Span]]) -> Source | None:
        from store.uploads.objects import make_rest

        stem = source.name.removesuffix(".parquet")
        name = f"{rest_prefix(self._upload.id)}{stem}.rest.parquet"
        target = self._shelf.rests / name
        theirs = [
            (self._shelf.held(other), spans) for other, spans in others.items() if self._shelf.held(other).exists()
        ]
        path = self._shelf.held(source.name)
        made = self._shelf.scratch(self._upload.id)
        span = await asyncio.to_thread(make_rest, path, source.kind, taken, theirs, made)
        if span is None:
            return None
        await asyncio.to_thread(keep, made, target)
        size = target.stat().st_size
        digest = sha256(f"{name}|{sorted(others)}".encode()).hexdigest()
        return Source(name, source.kind, target, *span, _rows_of(target), size, digest)

    async def _finish_rests(self) -> None:
        """Remove rests all of which is sent."""
        for rest in list(self._ledger.rests):
            parts = self._ledger.parts.get(rest.name, [])
            sent = [(part.since, part.until) for part in parts if part.done]
            if not less((rest.first, rest.last), sent):
                await self._ledger.replace([rest.name], [], [])
                rest.path.unlink(missing_ok=True)

    async def _retire(self, sources: Sequence[Source]) -> None:
        """Rests go when all segments of their time are gone."""
        for rest in list(self._ledger.rests):
            if not any(source.kind == rest.kind and source.first <= rest.last for source in sources):
                await self._ledger.replace([rest.name], [], [])
                rest.path.unlink(missing_ok=True)
                if self._upload.spec.policy.scheduled is not None:
                    await self._tell_missed(rest.rows)

    async def _count_missed(self, sources: Sequence[Source]) -> None:
        """Tell of rows that retention removed before they went; of those of other uploads nobody asked yet."""
        if self._upload.spec.policy.scheduled is None:
            return
        there, before = {source.name for source in sources}, {source.name for source in self.sources}
        lost = [each for each in self.sources if each.name not in there and each.name not in self._ledger.parts]
        came = [source for source in sources if source.name not in before]
        instead = [new for new in came if any(new.kind == old.kind and _overlap(new, old) for old in lost)]
        missed = sum(old.rows for old in lost) - sum(new.rows for new in instead)
        if missed > 0:
            await self._tell_missed(missed)

    async def _tell_missed(self, rows: int) -> None:
        await self._ledger.missed(rows)
        words = f"{rows} rows were removed here before they went: the other side was away for too long"
        await self._tell("upload", "error", words)


def rest_prefix(upload: str) -> str:
    """What the names of an upload's rests begin with."""
    return upload.replace("/", ".") + "~"


def _overlap(one: Source, other: Source) -> bool:
    return shared((one.first, one.last), (other.first, other.last)) is not None


def _rows_of(path: object) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
