"""What is kept how long: by age, and by bytes where a manifest says so. For want of space, sealing lets go."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Mapping, Set

from runtime.clock import Clock
from store.checksums import note
from store.journal import Journal
from store.policies import NEVER, Policies, Policy
from store.segment import ROLLUPS, Segment, sidecar
from store.segments import Segments

logger = logging.getLogger(__name__)

_EVERY = 600.0
_DRIFT = 60.0
_DAY = 86_400.0


class Retention:
    """Removes points, their rollups, results, events and decisions when they have had their days; points above their
    bytes too.

    A wall clock that is ahead would make everything old at once. So nothing is removed by age while the clock is in
    doubt: from the moment it moved otherwise than the monotonic clock by more than a minute since the last sweep, or,
    across a restart, stands more than a day from the last sweep that trusted it, until it has run evenly for a day.
    Space is bounded all the same: bytes need no clock.

    Without `segments` (no SQL installed) points stay in the journal's log, at most `size` bytes of it.
    """

    def __init__(
        self, journal: Journal, segments: Segments | None, policies: Policies, clock: Clock, *, size: int = 1 << 60
    ) -> None:
        self._journal = journal
        self._segments = segments
        self._policies = policies
        self._clock = clock
        self._size = size
        self._last: tuple[float, float] | None = None
        self._doubt = 0.0
        """Monotonic time until which the clock is in doubt."""
        self._told = False
        self._shares: dict[str, Counter[str]] = {}
        """Rows of each segment by policy, where a manifest made that worth knowing."""
        self._version = -1

    async def run(self) -> None:
        """Sweep every ten minutes."""
        while True:
            try:
                await self.sweep()
            except (OSError, ValueError, sqlite3.Error) as error:
                logger.warning("old data cannot be removed yet: %s", error)
            await self._clock.sleep(_EVERY)

    async def sweep(self) -> None:
        """Remove what is due now. Raises OSError, ValueError or sqlite3.Error."""
        now = self._clock.now()
        trusted = await self._trusted(now / 1e6)
        policies = self._policies
        policies.clock = now if trusted else None
        before = policies.horizon(policies.all[0], "results")
        if trusted:
            await self._journal.transact(lambda db: _sweep_rows(db, before, now))
        if self._segments is None:
            await self._journal.transact(lambda db: _sweep_log(db, before, self._size))
            return
        gone = [segment for segment in self._segments.known if policies.outlived(segment)]
        if gone:
            points = sum(segment.rows for segment in gone if segment.kind == "points")
            logger.info("retention removes %d segments, %d points", len(gone), points)
            await self._segments.remove(gone)
        while len(policies.all) > 1 and await self._sweep_series(self._segments):
            pass  # what is left of a segment is one more

    async def _sweep_series(self, segments: Segments) -> bool:
        """Let go in each segment of the series that have had their days, and of those above their bytes, if any."""
        await self._look(segments)
        went = False
        left: dict[str, float] = {policy.name: float(policy.bytes or 1 << 60) for policy in self._policies.all}
        floors: dict[str, int] = {}
        known = {one.name for one in segments.known}
        for segment in sorted(segments.known, key=lambda one: -one.last):
            shares = self._shares.get(segment.name)
            if not shares or segment.name not in known or _accompanies(segment, known):
                continue  # a rollup goes with its points
            going = {policy.name for policy in self._policies.all if self._aged(policy, segment)}
            for name, rows in shares.items() if segment.kind == "points" else ():
                left[name] -= segment.bytes * rows / segment.rows
                if left[name] < 0:
                    going.add(name)
                    floors[name] = max(segment.last, floors.get(name, NEVER))
            if going & shares.keys():
                self._policies.raise_floors(floors)
                await self._let_go(segments, segment, shares, going)
                known, went = {one.name for one in segments.known}, True
        return went

    async def _let_go(self, segments: Segments, segment: Segment, shares: Mapping[str, int], going: set[str]) -> None:
        logger.info("retention removes what is of %s in %s", ", ".join(sorted(going & shares.keys())), segment.name)
        if going >= shares.keys():
            await segments.remove([segment], self._policies.floors)
        else:
            await segments.prune(segment, lambda series: self._policies.of(series).name in going, self._policies.floors)

    async def _look(self, segments: Segments) -> None:
        """Know whose rows are in which segment; those of results have no series."""
        if self._version != self._policies.version:
            self._shares.clear()
            self._version = self._policies.version
        known = {segment.name: segment for segment in segments.known if segment.kind != "results"}
        for name in self._shares.keys() - known.keys():
            del self._shares[name]
        unknown = [segment for name, segment in known.items() if name not in self._shares]
        self._shares |= await segments.shares(unknown, lambda series: self._policies.of(series).name)

    def _aged(self, policy: Policy, segment: Segment) -> bool:
        return segment.last < self._policies.horizon(policy, segment.kind)

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


def _accompanies(segment: Segment, known: Set[str]) -> bool:
    return segment.kind in ROLLUPS and sidecar(segment.name, "points") in known


def _sweep_rows(connection: sqlite3.Connection, before: int, now: int) -> None:
    connection.execute("DELETE FROM results WHERE at < ?", [before])
    connection.execute("DELETE FROM events WHERE at < ?", [before])
    connection.execute("DELETE FROM decisions WHERE at < ?", [before])
    note(connection, "swept", now)


def _sweep_log(connection: sqlite3.Connection, before: int, size: int) -> None:
    connection.execute("DELETE FROM point_log WHERE last < ?", [before])
    room = size
    log = connection.execute("SELECT batch, length(blob) FROM point_log ORDER BY batch DESC")
    for batch, length in log:
        room -= length
        if room < 0:
            connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])
            return
