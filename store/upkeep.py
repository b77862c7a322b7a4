"""When it is time to seal, to merge, to look through files, to make room. What fails is told once and tried again."""

from __future__ import annotations

import logging
import sqlite3

from runtime.clock import Clock
from store.journal import Journal
from store.points import Points
from store.segments import Segments

logger = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks at what is due."""
_GULP = 16 << 20
"""Bytes of files that are looked through at once."""


class Upkeep:
    """Seals when `rows` points wait, and every `age` seconds what there is; the rest when nothing is to be sealed."""

    def __init__(
        self, segments: Segments, journal: Journal, points: Points, clock: Clock, *, rows: int, age: float
    ) -> None:
        self._segments = segments
        self._journal = journal
        self._points = points
        self._clock = clock
        self._rows = rows
        self._age = age
        self._since = clock.monotonic()
        self.fault: str | None = None
        """Why points cannot be sealed now, if so; they are safe in the log."""

    async def run(self) -> None:
        while True:
            await self._clock.sleep(_LOOK)
            try:
                await self._due()
            except (OSError, ValueError, sqlite3.Error) as error:
                if self.fault is None:
                    logger.error(  # noqa: TRY400 - the reason is the message
                        "points cannot be sealed into %s: %s; they stay in state.db", self._segments.directory, error
                    )
                self.fault = str(error)
            else:
                self.fault = None

    async def _due(self) -> None:
        segments = self._segments
        if self._journal.fault:
            await segments.make_room()
        if len(self._points) >= self._rows or self._clock.monotonic() - self._since >= self._age:
            await segments.seal()
            self._since = self._clock.monotonic()
        elif not await segments.merge():
            await segments.tidy()
            await segments.scrub(_GULP)
