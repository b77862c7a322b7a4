"""What is kept how long: oldest first by age and by bytes."""

from __future__ import annotations

import logging
import sqlite3

from runtime.clock import Clock
from store.journal import Journal
from store.segments import Segments

logger = logging.getLogger(__name__)

_EVERY = 600.0
_DRIFT = 60.0
_DAY = 86_400.0


class Retention:
    """Removes points, results and events older than `age` seconds, then the oldest points above `size` bytes.

    A wall clock that is ahead would make everything old at once. So nothing is removed by age while the clock is in
    doubt: from the moment it moved otherwise than the monotonic clock by more than a minute since the last sweep, or,
    across a restart, stands more than a day from the last sweep that trusted it, until it has run evenly for a day.
    Space is bounded all the same: bytes need no clock.

    Without `segments` (no SQL installed) points stay in the journal's log, and the same holds there.
    """

    def __init__(self, journal: Journal, segments: Segments | None, clock: Clock, *, age: float, size: int) -> None:
        self._journal = journal
        self._segments = segments
        self._clock = clock
        self._age = age
        self._size = size
        self._last: tuple[float, float] | None = None
        self._doubt = 0.0
        """Monotonic time until which the clock is in doubt."""
        self._told = False

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
        now = self._clock.now()
        trusted = await self._trusted(now / 1e6)
        before = now - int(self._age * 1e6)
        if trusted:
            await self._journal.transact(lambda db: _sweep_rows(db, before, now))
        if self._segments is None:
            await self._journal.transact(lambda db: _sweep_log(db, before if trusted else None, self._size))
            return
        room = self._size
        gone = []
        for segment in reversed(self._segments.known):
            room -= segment.bytes
            if room < 0 or (trusted and segment.last < before):
                gone.append(segment)
        if gone:
            logger.info("retention removes %d segments, %d points", len(gone), sum(segment.rows for segment in gone))
            await self._segments.remove(gone)

    async def _trusted(self, wall: float) -> bool:
        """True if the wall clock, in seconds, may be believed; tells when it no longer is, once."""
        passed = self._clock.monotonic()
        if self._last is None:
            doubtful = await self._differs(wall)
        else:
            doubtful = abs((wall - self._last[0]) - (passed - self._last[1])) > _DRIFT
        self._last = wall, passed
        if doubtful:
            self._doubt = passed + _DAY
        trusted = passed >= self._doubt
        if not trusted and not self._told:
            logger.warning(
                "the clock is not where it was expected: nothing is removed by age until it has run evenly for a day"
            )
        self._told = not trusted
        return trusted

    async def _differs(self, wall: float) -> bool:
        """True if this start is more than a day from the last trusted sweep; segments of unknown age are in doubt."""
        row = await self._journal.transact(
            lambda db: db.execute("SELECT value FROM meta WHERE key = 'swept'").fetchone()
        )
        if row is None:
            return self._segments is not None and bool(self._segments.known)
        return bool(abs(wall - row[0] / 1e6) > _DAY)


def _sweep_rows(connection: sqlite3.Connection, before: int, now: int) -> None:
    connection.execute("DELETE FROM results WHERE at < ?", [before])
    connection.execute("DELETE FROM events WHERE at < ?", [before])
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('swept', ?)", [now])


def _sweep_log(connection: sqlite3.Connection, before: int | None, size: int) -> None:
    if before is not None:
        connection.execute("DELETE FROM point_log WHERE last < ?", [before])
    room = size
    for batch, length in connection.execute("SELECT batch, length(blob) FROM point_log ORDER BY batch DESC"):
        room -= length
        if room < 0:
            connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])
            return
