"""What was refused of plain telemetry, which has no answer: told to people instead, and never in a flood."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from runtime.clock import Clock
from twins.exchange import Event

logger = logging.getLogger(__name__)

Why = Literal["topic", "body", "device"]
"""Its topic names no device; its body is no telemetry; the twins would not have it (unknown, a value too long)."""
Note = Callable[[Event], None]

TOPICS = 256
"""Topics whose first refusal is told by itself; those that come after so many are in the counts alone."""
PERIOD = 60.0
"""Seconds between two lines of counts."""
_SHOWN = 200


class RefusalCounts(Struct):
    """Since the start, by `Why`."""

    topic: int = 0
    body: int = 0
    device: int = 0


class Refusals:
    """Counts by reason, a warning and an event for the first of a topic, and one line a minute for all others."""

    def __init__(self, clock: Clock, note: Note | None = None) -> None:
        self.counts = RefusalCounts()
        self._clock = clock
        self._note = note
        self._topics: set[str] = set()
        self._untold: Counter[Why] = Counter()
        self._last = ""

    async def run(self) -> None:
        """Tell the counts until cancelled, and what is left then."""
        try:
            while True:
                await self._clock.sleep(PERIOD)
                self._summarise()
        finally:
            self._summarise()

    def add(self, topic: str, why: Why, reason: str) -> None:
        """A message was refused."""
        setattr(self.counts, why, getattr(self.counts, why) + 1)
        shown = repr(topic[:_SHOWN])  # a topic may hold signs that a terminal would obey
        if shown in self._topics or len(self._topics) >= TOPICS:
            self._untold[why] += 1
            self._last = f"{shown}: {reason[:_SHOWN]}"
            return
        self._topics.add(shown)
        logger.warning("telemetry on %s is refused: %s", shown, reason[:_SHOWN])
        if self._note is not None:
            now = self._clock.now()
            message = f"telemetry is refused: {reason[:_SHOWN]}"
            self._note(Event(f"telemetry:{now}:{len(self._topics)}", now, "telemetry", shown, "warning", message))

    def _summarise(self) -> None:
        if not self._untold:
            return
        reasons = ", ".join(f"{count} by {why}" for why, count in self._untold.most_common())
        total = self._untold.total()
        logger.warning("%d more messages of telemetry refused (%s); the last on %s", total, reasons, self._last)
        self._untold.clear()
