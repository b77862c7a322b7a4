"""What is still to go of one upload: segments, rests, pictures and whole days, less what the ledger says is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from runtime.clock import Clock
from store.uploads.ledger import Ledger
from store.uploads.manifest import Upload
from store.uploads.merged import Merged
from store.uploads.pictures import PREFIX
from store.uploads.shelf import Shelf, is_segment, kind_of
from store.uploads.work import ALWAYS, DAY, Job, Source, Span, jobs, shared
from twins.duration import microseconds

_DAYS = 400
"""Days back that are looked at for whole days to align: a clock gone wild could name any day."""
_HOUR = 3_600_000_000


class Backlog:
    """Plans from the segments as `merged` took them up, never from newer ones: those may hold what was sent."""

    def __init__(self, upload: Upload, shelf: Shelf, ledger: Ledger, merged: Merged, clock: Clock) -> None:
        spec = upload.spec
        self._upload = upload
        self._shelf = shelf
        self._ledger = ledger
        self._merged = merged
        self._clock = clock
        self._plan = sha256(msgspec.json.encode([spec.select, spec.sampling, spec.align, spec.format])).hexdigest()
        self._unreadable: set[str] = set()
        self._plan_of: tuple[Span, int] | None = None
        self._waiting: deque[Job] = deque()
        self._known: tuple[tuple[int, ...], tuple[int, int, int]] = (), (0, 0, 0)

    async def next(self, span: Span) -> Job | None:
        """What goes next within a span. All jobs are looked for at once, and again when none of them is left."""
        if not self._waiting or self._plan_of != (span, self._merged.version):
            found = list(self._merged.sources)
            if "pictures" in self._upload.spec.select.kinds:
                found += await self._pictures()
            self._plan_of = span, self._merged.version
            self._waiting = deque(self._jobs(found, span))
        return self._waiting.popleft() if self._waiting else None

    def again(self) -> None:
        """The last job did not end well: look anew at what is to go, what was begun first."""
        self._waiting.clear()

    def leave(self, name: str) -> None:
        """This source can't be read: it is not tried again before the next start."""
        self._unreadable.add(name)

    def of_day(self, job: Job) -> list[Source]:
        """The segments of a whole day; none for a job of one source."""
        if self._upload.spec.align is None:
            return []
        return [s for s in self._merged.sources if shared((s.first, s.last), (job.source.first, job.source.last))]

    @property
    def rest(self) -> tuple[int, int, int]:
        """Rows and bytes of files of which something is to go, and the oldest time of that; 0 for none."""
        key = self._ledger.version, self._merged.version, self._clock.now() // _HOUR
        if key != self._known[0]:
            self._known = key, self._counted()
        return self._known[1]

    def _counted(self) -> tuple[int, int, int]:
        scheduled = self._upload.spec.policy.scheduled is not None
        spans = [ALWAYS] if scheduled else [want.span for want in self._ledger.wants]
        found = [job for span in spans for job in self._jobs(self._merged.sources, span)]
        files = {job.source.name: job.source for job in found}.values()
        oldest = min((job.span[0] for job in found), default=0)
        return sum(file.rows for file in files), sum(file.bytes for file in files), oldest

    def _jobs(self, sources: Sequence[Source], span: Span) -> list[Job]:
        sound = [source for source in sources if source.name not in self._unreadable]
        if self._upload.spec.align is not None:
            days = [day for day in self._days(sound) if shared((day.first, day.last), span)]
            return jobs(days, self._ledger.parts, ALWAYS, self._plan)
        return jobs([*sound, *self._ledger.rests, *self._begun(sound)], self._ledger.parts, span, self._plan)

    async def _pictures(self) -> list[Source]:
        """All there are; the ledger forgets those that are gone."""
        there = await self._shelf.pictures()
        names = {source.name for source in there}
        gone = [name for name in self._ledger.parts if name.startswith(PREFIX) and name not in names]
        if gone:
            await self._ledger.replace(gone, [], [])
        return there

    def _begun(self, sources: Sequence[Source]) -> list[Source]:
        """Segments that were begun and are gone since: their second name is there."""
        there = {source.name for source in sources}
        return [
            Source(name, kind_of(name), self._shelf.held(name), parts[0].since, parts[0].since - 1, 0, 0)
            for name, parts in self._ledger.parts.items()
            if name not in there and is_segment(name) and not all(part.done for part in parts)
        ]

    def _days(self, sources: Sequence[Source]) -> list[Source]:
        """Whole days that are over, as sources."""
        assert self._upload.spec.align is not None  # asked only then
        over = (self._clock.now() - microseconds(self._upload.spec.align.lateness)) // DAY
        days: dict[int, list[Source]] = {}
        for source in sources:
            for day in range(max(source.first // DAY, over - _DAYS), min(source.last // DAY, over - 1) + 1):
                days.setdefault(day, []).append(source)
        return [_whole(day, those) for day, those in sorted(days.items())]


def _whole(day: int, sources: Sequence[Source]) -> Source:
    rows, size = sum(source.rows for source in sources), sum(source.bytes for source in sources)
    return Source(f"aligned-{day}", "points", Path(), day * DAY, (day + 1) * DAY - 1, rows, size, str(day))
