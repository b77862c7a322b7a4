"""Sealed segments: unsealed points become sorted Parquet files, known from one transaction that also forgets their log.

Results of inference, rows of `state.db` at first, are sealed in the same way. Small segments of a day are merged into
one, which takes their place in one transaction.

A kill before such a transaction leaves files nobody knows, removed on the next start; the points are still in the log,
or in the segments they were in. A kill after it leaves files that nobody needs any more, removed likewise. Files of
another `state.db` (one that was damaged and set aside) are taken over.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from runtime.clock import Clock
from store import merging, parquet
from store.counts import Counts
from store.files import Files, is_full
from store.journal import Journal
from store.parquet import Job
from store.points import Points
from store.policies import FOREVER, NEVER, Policies
from store.scrubbing import Scrubbing
from store.seals import Seals
from store.segment import NOTHING, Segment, begin, enter, forget, read_list, swap
from store.space import Space
from store.steps import Step, unwatched

logger = logging.getLogger(__name__)

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
        self._policies = policies or Policies(FOREVER)
        self._files = Files(directory, journal, space or Space(directory.parent, 1 << 60), step)
        self._scrubbing = Scrubbing(self._files, journal, clock)
        self._seals = Seals(self._files, node, journal, points, self._policies, clock, self._make_room)
        self._journal = journal
        self._clock = clock
        self._old: deque[tuple[float, Path]] = deque()
        self._turn = asyncio.Lock()  # one change of the list at a time

    @property
    def counts(self) -> Counts:
        return self._files.counts

    @property
    def directory(self) -> Path:
        return self._files.directory

    @property
    def known(self) -> tuple[Segment, ...]:
        """All segments, by their first time."""
        return self._files.known

    def path(self, segment: Segment) -> Path:
        return self._files.path(segment)

    async def open(self) -> None:
        """Read the list of segments, and put directory and list in step. Call after the journal opened."""
        listed = {segment.name: segment for segment in await self._journal.transact(read_list)}
        adopted, gone = await self._files.in_thread(parquet.tidy, self._files.directory, self._journal.id, set(listed))
        if adopted:
            await self._journal.transact(lambda db: enter(db, adopted))
            logger.warning("%d segments of an earlier state.db were taken over", len(adopted))
        self._files.number, floors = await self._journal.transact(begin)
        self._policies.raise_floors(floors)
        self._files.keep([*listed.values(), *adopted])
        if gone:
            logger.error(
                "segments are gone from %s, with their points: %s", self._files.directory, ", ".join(sorted(gone))
            )
            await self._remove([listed[name] for name in gone], NOTHING)

    async def seal(self) -> list[Segment]:
        """Seal all unsealed points and results now. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            made = await self._seals.points()
            more = True
            while more:
                some, more = await self._seals.results()
                made += some
            return made

    async def merge(self) -> list[Segment]:
        """Merge what is due, once; what came of it. Raises OSError, ValueError or sqlite3.Error."""
        async with self._turn:
            if merging.due(self._files.known, 1 << 62) is None:  # to know the room costs a look at every file
                return []
            room = await self._files.room()
            wanted = merging.due(self._files.known, room)
            if wanted is None:
                return []
            try:
                made: list[Segment] = await self._files.made("merge", room, lambda job: merging.merge(job, wanted))
            except Exception as error:  # there is no saying what a damaged file makes its reader raise
                if is_full(error) or not await self._scrubbing.checked([*wanted.inputs, *wanted.sidecars]):
                    raise
                return []
            await self._swap(wanted.gone, made, "merge")
            self._files.counts.merges += 1
            return made

    async def prune(self, segment: Segment, gone: Callable[[str], bool], floors: Mapping[str, int]) -> None:
        """Let some series of a segment go; their rollups stay. `floors` are entered with it."""
        async with self._turn:
            if segment not in self._files.known:  # it was merged, or set aside
                return
            beside = [one for one in self._files.known if one.name in segment.beside]
            room = await self._files.room()

            def pruned(job: Job) -> list[Segment]:
                from store.pruning import prune

                return prune(job, segment, beside, gone)

            made = await self._files.made("prune", room, pruned)
            names = [segment.name, *(one.name for one in beside)]
            await self._swap(names, made, "prune", floors)
            if segment.kind == "points":
                self._files.counts.removed += segment.rows - sum(one.rows for one in made if one.kind == "points")

    async def shares(self, segments: Sequence[Segment], owner: Callable[[str], str]) -> dict[str, Counter[str]]:
        """By name of segment, how many rows are whose, as `owner` says of each series. Raises OSError or ValueError."""

        def counted() -> dict[str, Counter[str]]:
            from store.pruning import shares

            return {one.name: shares(self.path(one), owner) for one in segments}

        return await self._files.in_thread(counted) if segments else {}

    async def remove(self, gone: Iterable[Segment], floors: Mapping[str, int] = NOTHING) -> None:
        """Forget segments and delete their files; `floors` are entered with it. Raises OSError or sqlite3.Error.

        What was merged or set aside before it is their turn is left alone.
        """
        async with self._turn:
            await self._remove([one for one in gone if one in self._files.known], floors)

    async def scrub(self, most: int = 1 << 62) -> int:
        """Look whether files are as they were written, up to so many bytes; how many were not."""
        return await self._scrubbing.scrub(most)

    async def set_aside(self, names: Iterable[str]) -> None:
        """Serve the rest: forget segments that cannot be read, and keep what is left of them under another name."""
        await self._scrubbing.set_aside(names)

    async def make_room(self) -> None:
        """Let the oldest go, so that `state.db` can be written on a disk that others have filled."""
        async with self._turn:
            await self._make_room(self._files.space.log)

    async def tidy(self, *, now: bool = False) -> None:
        """Delete files that others have taken the place of, when nobody reads them any more; or `now`."""
        moment = self._clock.monotonic()
        paths = []
        while self._old and (now or self._old[0][0] <= moment):
            paths.append(self._old.popleft()[1])
        if paths:
            await self._files.in_thread(parquet.remove, paths)
            self._files.step("merge:removed")

    def close(self) -> None:
        self._files.close()

    async def _remove(self, gone: Sequence[Segment], floors: Mapping[str, int]) -> None:
        names = {segment.name for segment in gone}
        try:
            await self._journal.transact(lambda db: forget(db, names, floors))
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            await self._files.in_thread(
                parquet.remove, [self._files.directory / name for name in names]
            )  # there is no other way
            await self._journal.transact(lambda db: forget(db, names, floors))
        self._files.step("remove:forgotten")
        self._files.keep([segment for segment in self._files.known if segment.name not in names])
        self._files.counts.removed += sum(segment.rows for segment in gone if segment.kind == "points")
        await self._files.in_thread(parquet.remove, [self._files.directory / name for name in names])
        self._files.step("remove:removed")

    async def _make_room(self, wanted: int) -> int:
        """Let go of what has least of its days left until so many bytes may be written; how many may be then."""
        room = await self._files.room()
        if room >= wanted:
            return room
        await self.tidy(now=True)
        room = await self._files.room()
        gone: list[Segment] = []
        for segment in self._policies.first(self._files.known):
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
        self._files.counts.crowded += lost
        return await self._files.room()

    async def _swap(
        self, gone: Sequence[str], made: Sequence[Segment], name: str, floors: Mapping[str, int] = NOTHING
    ) -> None:
        """Put what was made in the place of others, whose files stay for who reads them now."""
        await self._files.enter(made, lambda db: swap(db, gone, made, self._files.number, floors))
        self._files.step(f"{name}:entered")
        self._files.keep([*(one for one in self._files.known if one.name not in gone), *made])
        until = self._clock.monotonic() + _LINGER
        self._old.extend((until, self._files.directory / name) for name in gone)
