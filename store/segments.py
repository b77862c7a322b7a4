"""Sealed segments: unsealed points become sorted Parquet files, known from one transaction that also forgets their log.

Results of inference, rows of `state.db` at first, are sealed in the same way. Small segments of a day are merged into
one, which takes their place in one transaction.

A kill before such a transaction leaves files nobody knows, removed on the next start; the points are still in the log,
or in the segments they were in. A kill after it leaves files that nobody needs any more, removed likewise. Files of
another `state.db` (one that was damaged and set aside) are taken over.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.clock import Clock
from store import merging, parquet, records
from store.counts import Counts
from store.journal import Journal
from store.parquet import Job
from store.points import Cut, Points
from store.policies import FOREVER, NEVER, Policies
from store.segment import (
    NOTHING,
    Segment,
    begin,
    enter,
    enter_points,
    enter_results,
    forget,
    note_latest,
    read_list,
    swap,
)
from store.space import Budget, Space
from store.steps import Step, unwatched
from twins.exchange import Event

if TYPE_CHECKING:
    from store.sealing import Sealed

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PIECE = 200_000
"""Points that are sealed at once, nearly."""
_RESULTS = 50_000
"""Results that are sealed at once: a row of them takes ten times the memory of a point."""
_LEAST, _ROW = 1 << 18, 16
"""Bytes that the files of a seal take as a rule, and bytes for each row of it: most take less."""
_NEWEST = 1000
"""Series whose newest point is noted in one transaction: commits wait meanwhile."""
_SCRUB = 86_400.0
"""Seconds after which a file is looked through again."""
_LINGER = 60.0
"""Seconds that files stay whose place a merged one took: a query may be reading them."""


class Segments:
    """The sealed files in `directory`, and all that changes which there are. `store/upkeep.py` knows when it is time.

    `step` is told of each of its `store.steps.STEPS`.
    """

    def __init__(
        self,
        directory: Path,
        node: str,
        journal: Journal,
        points: Points,
        clock: Clock,
        *,
        policies: Policies | None = None,
        space: Space | None = None,
        step: Step = unwatched,
    ) -> None:
        self.counts = Counts()
        self._policies = policies or Policies(FOREVER)
        self._space = space or Space(directory.parent, 1 << 60)
        self._directory = directory
        self._node = node
        self._journal = journal
        self._points = points
        self._clock = clock
        self._step = step
        self._known: tuple[Segment, ...] = ()
        self._number = 0
        self._looked: dict[str, float] = {}
        self._old: deque[tuple[float, Path]] = deque()
        self._turn = asyncio.Lock()  # one change of the list at a time
        self._threads = ThreadPoolExecutor(1, "seal")

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def known(self) -> tuple[Segment, ...]:
        """All segments, by their first time."""
        return self._known

    def path(self, segment: Segment) -> Path:
        return self._directory / segment.name

    async def open(self) -> None:
        """Read the list of segments, and put directory and list in step. Call after the journal opened."""
        listed = {segment.name: segment for segment in await self._journal.transact(read_list)}
        adopted, gone = await self._in_thread(parquet.tidy, self._directory, self._journal.id, set(listed))
        if adopted:
            await self._journal.transact(lambda db: enter(db, adopted))
            logger.warning("%d segments of an earlier state.db were taken over", len(adopted))
        self._number, floors = await self._journal.transact(begin)
        self._policies.raise_floors(floors)
        self._keep([*listed.values(), *adopted])
        if gone:
            logger.error("segments are gone from %s, with their points: %s", self._directory, ", ".join(sorted(gone)))
            await self._remove([listed[name] for name in gone], NOTHING)

    async def seal(self) -> list[Segment]:
        """Seal all unsealed points and results now. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            made = await self._seal_points()
            while some := await self._seal_results():
                made += some
            return made

    async def merge(self) -> list[Segment]:
        """Merge what is due, once; what came of it. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            if merging.due(self._known, 1 << 62) is None:  # to know the room costs a look at every file
                return []
            room = await self._in_thread(self._space.room)
            wanted = merging.due(self._known, room)
            if wanted is None:
                return []
            try:
                made: list[Segment] = await self._made("merge", room, lambda job: merging.merge(job, wanted))
            except Exception as error:  # there is no saying what a damaged file makes its reader raise
                if _is_full(error) or not await self._checked([*wanted.inputs, *wanted.sidecars]):
                    raise
                return []
            await self._swap(wanted.gone, made, "merge")
            self.counts.merges += 1
            return made

    async def prune(self, segment: Segment, gone: Callable[[str], bool], floors: Mapping[str, int]) -> None:
        """Let some series of a segment go; their rollups stay. `floors` are entered with it."""
        async with self._turn:
            if segment not in self._known:  # it was merged, or set aside
                return
            beside = [one for one in self._known if one.name in segment.beside]
            room = await self._in_thread(self._space.room)

            def pruned(job: Job) -> list[Segment]:
                from store.pruning import prune

                return prune(job, segment, beside, gone)

            made = await self._made("prune", room, pruned)
            names = [segment.name, *(one.name for one in beside)]
            await self._swap(names, made, "prune", floors)
            if segment.kind == "points":
                self.counts.removed += segment.rows - sum(one.rows for one in made if one.kind == "points")

    async def shares(self, segments: Sequence[Segment], owner: Callable[[str], str]) -> dict[str, Counter[str]]:
        """By name of segment, how many rows are whose, as `owner` says of each series. Raises OSError or ValueError."""

        def counted() -> dict[str, Counter[str]]:
            from store.pruning import shares

            return {one.name: shares(self.path(one), owner) for one in segments}

        return await self._in_thread(counted) if segments else {}

    async def remove(self, gone: Iterable[Segment], floors: Mapping[str, int] = NOTHING) -> None:
        """Forget segments and delete their files; `floors` are entered with it. Raises OSError or sqlite3.Error.

        What was merged or set aside before it is their turn is left alone.
        """
        async with self._turn:
            await self._remove([one for one in gone if one in self._known], floors)

    async def scrub(self, most: int = 1 << 62) -> int:
        """Look whether files are as they were written, those first that were not looked at for longest, up to so many
        bytes; how many were not.
        """
        now = self._clock.monotonic()
        looked = {one.name: self._looked[one.name] for one in self._known if one.name in self._looked}
        self._looked = looked
        some: list[Segment] = []
        for segment in sorted(self._known, key=lambda one: looked.get(one.name, -1.0)):
            if most <= 0 or now - looked.get(segment.name, -_SCRUB) < _SCRUB:
                break
            some.append(segment)
            most -= segment.bytes
        looked |= dict.fromkeys((segment.name for segment in some), now)
        return await self._checked(some)

    async def set_aside(self, names: Iterable[str]) -> None:
        """Serve the rest: forget segments that cannot be read, and keep what is left of them under another name."""
        damaged = [segment for segment in self._known if segment.name in set(names)]
        if not damaged:  # retention was faster, or another query
            return
        self.counts.damaged += sum(segment.rows for segment in damaged if segment.kind == "points")
        self._keep([segment for segment in self._known if segment not in damaged])
        found = await self._in_thread(parquet.set_aside, [self.path(segment) for segment in damaged])
        now = self._clock.now()
        events = [_damage(segment, there, now) for segment, there in zip(damaged, found, strict=True)]
        for event in events:
            logger.error("%s", event.message)
        try:
            await self._journal.transact(lambda db: _tell(db, damaged, events))
        except sqlite3.Error as error:
            logger.warning("the list of segments still has damaged ones, until the next start: %s", error)

    async def make_room(self) -> None:
        """Let the oldest go, so that `state.db` can be written on a disk that others have filled."""
        async with self._turn:
            await self._make_room(self._space.log)

    async def tidy(self, *, now: bool = False) -> None:
        """Delete files that others have taken the place of, when nobody reads them any more; or `now`."""
        moment = self._clock.monotonic()
        paths = []
        while self._old and (now or self._old[0][0] <= moment):
            paths.append(self._old.popleft()[1])
        if paths:
            await self._in_thread(parquet.remove, paths)
            self._step("merge:removed")

    def close(self) -> None:
        self._threads.shutdown()

    async def _remove(self, gone: Sequence[Segment], floors: Mapping[str, int]) -> None:
        names = {segment.name for segment in gone}
        try:
            await self._journal.transact(lambda db: forget(db, names, floors))
        except sqlite3.OperationalError as error:
            if not _is_full(error):
                raise
            await self._in_thread(parquet.remove, [self._directory / name for name in names])  # there is no other way
            await self._journal.transact(lambda db: forget(db, names, floors))
        self._step("remove:forgotten")
        self._keep([segment for segment in self._known if segment.name not in names])
        self.counts.removed += sum(segment.rows for segment in gone if segment.kind == "points")
        await self._in_thread(parquet.remove, [self._directory / name for name in names])
        self._step("remove:removed")

    async def _make_room(self, wanted: int) -> int:
        """Let go of what has least of its days left until so many bytes may be written; how many may be then."""
        room: int = await self._in_thread(self._space.room)
        if room >= wanted:
            return room
        await self.tidy(now=True)
        room = await self._in_thread(self._space.room)
        gone: list[Segment] = []
        for segment in self._policies.first(self._known):
            if room >= wanted:
                break
            gone.append(segment)
            room += segment.bytes
        if not gone:
            return room
        points = [one for one in gone if one.kind == "points"]
        lost = sum(one.rows for one in points)
        logger.warning("%d segments with %d points go for want of space", len(gone), lost)
        last = max((one.last for one in points), default=NEVER)
        self._policies.raise_floors({policy.name: last for policy in self._policies.all})
        await self._remove(gone, self._policies.floors)
        self.counts.crowded += lost
        return int(await self._in_thread(self._space.room))

    async def _checked(self, some: Sequence[Segment]) -> int:
        """Set aside those of these files that are not as they were written; how many."""
        unsound = await self._in_thread(lambda: [one.name for one in some if not parquet.is_whole(self.path(one), one)])
        await self.set_aside(unsound)
        return len(unsound)

    async def _seal_points(self) -> list[Segment]:
        """Seal what there is now, in pieces that bound the memory that it takes."""
        newest = self._points.newest
        made: list[Segment] = []
        cut = self._points.cut(_PIECE)
        while cut is not None:
            made += await self._seal_cut(cut)
            cut = self._points.cut(_PIECE) if cut.batch < newest else None
        return made

    async def _seal_cut(self, cut: Cut) -> list[Segment]:
        self._step("seal:cut")
        latest = self._points.latest_of(set().union(*(chunk.series for chunk in cut.chunks)))
        for start in range(0, len(latest), _NEWEST):
            await self._journal.transact(partial(note_latest, latest=latest[start : start + _NEWEST]))
        sealed: Sealed = await self._sealing(sum(map(len, cut.chunks)), lambda job: self._sealed(job, cut))
        await self._list(sealed.segments, lambda db: enter_points(db, sealed.segments, self._number, cut.batch))
        self._step("seal:entered")
        self._points.drop(cut.batch)
        self._keep([*self._known, *sealed.segments])
        self.counts.sealed += sum(one.rows for one in sealed.segments if one.kind in {"points", "desired"})
        self.counts.repeated += sealed.repeated
        self.counts.expired += sealed.expired
        return sealed.segments

    async def _seal_results(self) -> list[Segment]:
        """Seal the oldest, as many as memory is to hold at once; none when there are none."""
        last, rows = await self._in_thread(self._read_results)
        if not rows:
            return []

        def written(job: Job) -> list[Segment]:
            from store.sealing import seal_results

            return seal_results(job, rows, self._node)

        sealed: list[Segment] = await self._sealing(len(rows), written)
        await self._list(sealed, lambda db: enter_results(db, sealed, self._number, last))
        self._step("results:entered")
        self._keep([*self._known, *sealed])
        return sealed

    async def _sealing(self, rows: int, work: Callable[[Job], T]) -> T:
        """Seal so many rows: in the room that they will need as a rule, and if that is too little in more."""
        wanted = _LEAST + _ROW * rows
        while True:
            room = await self._make_room(wanted + self._space.slack)
            try:
                return await self._made("seal", min(wanted, room), work)
            except OSError as error:
                if error.errno != errno.ENOSPC or room < wanted:
                    raise
            wanted *= 4

    async def _made(self, name: str, room: int, work: Callable[[Job], T]) -> T:
        """In the thread: do a job, whole or not at all."""
        self._number += 2
        job = Job(name, self._directory, self._journal.id, self._number - 1, Budget(room), self._step)

        def done() -> T:
            try:
                return work(job)
            except BaseException:
                job.undo()
                raise

        try:
            made: T = await self._in_thread(done)
        except OSError as error:
            self.counts.full += error.errno == errno.ENOSPC
            raise
        return made

    async def _swap(
        self, gone: Sequence[str], made: Sequence[Segment], name: str, floors: Mapping[str, int] = NOTHING
    ) -> None:
        """Put what was made in the place of others, whose files stay for who reads them now."""
        await self._list(made, lambda db: swap(db, gone, made, self._number, floors))
        self._step(f"{name}:entered")
        self._keep([*(one for one in self._known if one.name not in gone), *made])
        until = self._clock.monotonic() + _LINGER
        self._old.extend((until, self._directory / name) for name in gone)

    async def _list(self, made: Sequence[Segment], work: Callable[[sqlite3.Connection], None]) -> None:
        """Put what was made on the list. When that is full their files go again: each new try would leave some more."""
        try:
            await self._journal.transact(work)
        except sqlite3.OperationalError as error:
            if _is_full(error):
                await self._in_thread(parquet.remove, [self.path(one) for one in made])
            raise

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _keep(self, segments: Sequence[Segment]) -> None:
        self._known = tuple(sorted(segments, key=lambda segment: (segment.first, segment.name)))

    def _sealed(self, job: Job, cut: Cut) -> Sealed:
        """In the thread: the files, complete and on disk, which loads pyarrow."""
        from store.sealing import seal_points

        return seal_points(job, cut, self._node, self._known, partial(self._policies.expired, now=self._clock.now()))

    def _read_results(self) -> tuple[int, list[tuple[Any, ...]]]:
        connection = records.reader(self._journal.file)
        try:
            return records.results(connection, _RESULTS)
        finally:
            connection.close()


def _is_full(error: Exception) -> bool:
    """True if it says that there is no more room."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC


def _tell(connection: sqlite3.Connection, damaged: Sequence[Segment], events: Sequence[Event]) -> None:
    forget(connection, [segment.name for segment in damaged])
    records.write_events(connection, events)


def _damage(segment: Segment, there: bool, now: int) -> Event:
    what = f"cannot be read: it is kept as {segment.name}{parquet.ASIDE}" if there else "is gone"
    message = f"segment {segment.name} {what}; SQL goes on without its {segment.rows} {segment.kind}"
    return Event(f"store:segment:{segment.name}", now, "SegmentDamaged", segment.name, "error", message)
