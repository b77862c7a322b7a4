"""Whether files are as they were written; what is not is set aside, and told, and the rest is served."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence

from runtime.clock import Clock
from store import parquet, records
from store.files import Files
from store.journal import Journal
from store.segment import Segment, forget
from twins.exchange import Event

logger = logging.getLogger(__name__)

_SCRUB = 86_400.0
"""Seconds after which a file is looked through again."""


class Scrubbing:
    """Of the files of one store."""

    def __init__(self, files: Files, journal: Journal, clock: Clock) -> None:
        self._files = files
        self._journal = journal
        self._clock = clock
        self._looked: dict[str, float] = {}

    async def scrub(self, most: int = 1 << 62) -> int:
        """Look whether files are as they were written, those first that were not looked at for longest, up to so many
        bytes; how many were not.
        """
        now = self._clock.monotonic()
        looked = {one.name: self._looked[one.name] for one in self._files.known if one.name in self._looked}
        self._looked = looked
        some: list[Segment] = []
        for segment in sorted(self._files.known, key=lambda one: looked.get(one.name, -1.0)):
            if most <= 0 or now - looked.get(segment.name, -_SCRUB) < _SCRUB:
                break
            some.append(segment)
            most -= segment.bytes
        looked |= dict.fromkeys((segment.name for segment in some), now)
        return await self.checked(some)

    async def checked(self, some: Sequence[Segment]) -> int:
        """Set aside those of these files that are not as they were written; how many."""
        unsound = await self._files.in_thread(
            lambda: [one.name for one in some if not parquet.is_whole(self._files.path(one), one)]
        )
        await self.set_aside(unsound)
        return len(unsound)

    async def set_aside(self, names: Iterable[str]) -> None:
        """Serve the rest: forget segments that cannot be read, and keep what is left of them under another name."""
        damaged = [segment for segment in self._files.known if segment.name in set(names)]
        if not damaged:  # retention was faster, or another query
            return
        self._files.counts.damaged += sum(segment.rows for segment in damaged if segment.kind == "points")
        self._files.keep([segment for segment in self._files.known if segment not in damaged])
        found = await self._files.in_thread(parquet.set_aside, [self._files.path(segment) for segment in damaged])
        now = self._clock.now()
        events = [_damage(segment, there, now) for segment, there in zip(damaged, found, strict=True)]
        for event in events:
            logger.error("%s", event.message)
        try:
            await self._journal.transact(lambda db: _tell(db, damaged, events))
        except sqlite3.Error as error:
            logger.warning("the list of segments still has damaged ones, until the next start: %s", error)


def _tell(connection: sqlite3.Connection, damaged: Sequence[Segment], events: Sequence[Event]) -> None:
    forget(connection, [segment.name for segment in damaged])
    records.write_events(connection, events)


def _damage(segment: Segment, there: bool, now: int) -> Event:
    what = f"cannot be read: it is kept as {segment.name}{parquet.ASIDE}" if there else "is gone"
    message = f"segment {segment.name} {what}; SQL goes on without its {segment.rows} {segment.kind}"
    return Event(f"store:segment:{segment.name}", now, "SegmentDamaged", segment.name, "error", message)
