"""What is kept how long: oldest first by age and by bytes."""

from __future__ import annotations

import logging
import sqlite3

from runtime.clock import Clock
from store.journal import Journal
from store.segments import Segments

logger = logging.getLogger(__name__)

_EVERY = 600.0


class Retention:
    """Removes points, results and events older than `age` seconds, then the oldest points above `size` bytes.

    Without `segments` (no SQL installed) points stay in the journal's log, and the same holds there.
    """

    def __init__(self, journal: Journal, segments: Segments | None, clock: Clock, *, age: float, size: int) -> None:
        self._journal = journal
        self._segments = segments
        self._clock = clock
        self._age = age
        self._size = size

    async def run(self) -> None:
        """Sweep every ten minutes."""
        while True:
            try:
                await self.sweep()
            except (OSError, sqlite3.Error) as error:
                logger.warning("old data cannot be removed yet: %s", error)
            await self._clock.sleep(_EVERY)

    async def sweep(self) -> None:
        """Remove what is due now. Raises OSError or sqlite3.Error."""
        before = self._clock.now() - int(self._age * 1e6)
        await self._journal.transact(lambda db: _sweep_rows(db, before))
        if self._segments is None:
            await self._journal.transact(lambda db: _sweep_log(db, before, self._size))
            return
        room = self._size
        gone = []
        for segment in reversed(self._segments.known):
            room -= segment.bytes
            if room < 0 or segment.last < before:
                gone.append(segment)
        if gone:
            logger.info("retention removes %d segments, %d points", len(gone), sum(segment.rows for segment in gone))
            await self._segments.remove(gone)


def _sweep_rows(connection: sqlite3.Connection, before: int) -> None:
    connection.execute("DELETE FROM results WHERE at < ?", [before])
    connection.execute("DELETE FROM events WHERE at < ?", [before])


def _sweep_log(connection: sqlite3.Connection, before: int, size: int) -> None:
    connection.execute("DELETE FROM point_log WHERE last < ?", [before])
    room = size
    for batch, length in connection.execute("SELECT batch, length(blob) FROM point_log ORDER BY batch DESC"):
        room -= length
        if room < 0:
            connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])
            return
