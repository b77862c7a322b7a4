"""How what is only in `state.db` and in memory becomes segments: in pieces, each entered before the next is begun."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.clock import Clock
from store import records
from store.files import Files
from store.journal import Journal
from store.parquet import Job
from store.points import Cut, Points
from store.policies import Policies
from store.segment import Segment, enter_points, enter_results, note_latest

if TYPE_CHECKING:
    from store.sealing import Sealed

T = TypeVar("T")

_PIECE = 200_000
"""Points that are sealed at once, nearly."""
_RESULTS = 50_000
"""Results that are sealed at once: a row of them takes ten times the memory of a point."""
_LEAST, _ROW = 1 << 18, 16
"""Bytes that the files of a seal take as a rule, and bytes for each row of it: most take less."""
_NEWEST = 1000
"""Series whose newest point is noted in one transaction: commits wait meanwhile."""


class Seals:
    """Of one store. `make_room` lets go of old segments until so many bytes may be written; how many may be then."""

    def __init__(
        self,
        files: Files,
        node: str,
        journal: Journal,
        points: Points,
        policies: Policies,
        clock: Clock,
        make_room: Callable[[int], Awaitable[int]],
    ) -> None:
        self._files = files
        self._node = node
        self._journal = journal
        self._points = points
        self._policies = policies
        self._clock = clock
        self._make_room = make_room

    async def points(self) -> list[Segment]:
        """Seal what there is now, in pieces that bound the memory that it takes."""
        newest = self._points.newest
        made: list[Segment] = []
        cut = self._points.cut(_PIECE)
        while cut is not None:
            made += await self._seal_cut(cut)
            cut = self._points.cut(_PIECE) if cut.batch < newest else None
        return made

    async def _seal_cut(self, cut: Cut) -> list[Segment]:
        self._files.step("seal:cut")
        latest = self._points.latest_of(set().union(*(chunk.series for chunk in cut.chunks)))
        for start in range(0, len(latest), _NEWEST):
            await self._journal.transact(partial(note_latest, latest=latest[start : start + _NEWEST]))
        sealed: Sealed = await self._sealing(sum(map(len, cut.chunks)), lambda job: self._sealed(job, cut))
        await self._files.enter(
            sealed.segments, lambda db: enter_points(db, sealed.segments, self._files.number, cut.batch)
        )
        self._files.step("seal:entered")
        self._points.drop(cut.batch)
        self._files.keep([*self._files.known, *sealed.segments])
        self._files.counts.sealed += sum(one.rows for one in sealed.segments if one.kind in {"points", "desired"})
        self._files.counts.repeated += sealed.repeated
        self._files.counts.expired += sealed.expired
        return sealed.segments

    async def results(self) -> tuple[list[Segment], bool]:
        """Seal the oldest, as many as memory is to hold at once; and whether it left some that waited with them."""
        last, rows = await self._files.in_thread(self._read_results)
        if not rows:
            return [], False

        def written(job: Job) -> list[Segment]:
            from store.sealing import seal_results

            return seal_results(job, rows, self._node)

        sealed: list[Segment] = await self._sealing(len(rows), written)
        await self._files.enter(sealed, lambda db: enter_results(db, sealed, self._files.number, last))
        self._files.step("results:entered")
        self._files.keep([*self._files.known, *sealed])
        return sealed, len(rows) == _RESULTS

    async def _sealing(self, rows: int, work: Callable[[Job], T]) -> T:
        """Seal so many rows: in the room that they will need as a rule, and if that is too little in more."""
        wanted = _LEAST + _ROW * rows
        while True:
            room = await self._make_room(wanted + self._files.space.slack)
            try:
                return await self._files.made("seal", min(wanted, room), work)
            except OSError as error:
                if error.errno != errno.ENOSPC or room < wanted:
                    raise
            wanted *= 4

    def _sealed(self, job: Job, cut: Cut) -> Sealed:
        """In the thread: the files, complete and on disk, which loads pyarrow."""
        from store.sealing import seal_points

        return seal_points(
            job, cut, self._node, self._files.known, partial(self._policies.expired, now=self._clock.now())
        )

    def _read_results(self) -> tuple[int, list[tuple[Any, ...]]]:
        connection = records.reader(self._journal.file)
        try:
            return records.results(connection, _RESULTS)
        finally:
            connection.close()
