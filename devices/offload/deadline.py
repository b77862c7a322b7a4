"""Which frames are hopeless: known before they cost an inference, because inference time is predictable.

After Nexus (SOSP'19) and Clockwork (OSDI'20): admit only if now + p95(infer) <= deadline.
"""

from __future__ import annotations

from collections import deque

MEMORY = 32
"""Inferences that the estimate looks back on."""

PATIENCE = 1.0
"""Seconds without an inference after which one is tried all the same: one slow run must not shut the door for good."""


class Pace:
    """How long an inference takes, from those that were done. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._spans: deque[float] = deque(maxlen=MEMORY)
        self._last = float("-inf")

    def record(self, span: float, now: float) -> None:
        self._spans.append(span)
        self._last = now

    @property
    def p95(self) -> float:
        """Seconds; 0 while nothing is known."""
        if not self._spans:
            return 0.0
        ordered = sorted(self._spans)
        return ordered[int(0.95 * (len(ordered) - 1) + 0.5)]

    def hopeless(self, deadline: float | None, now: float) -> bool:
        """True when a result of an inference begun now would come too late."""
        if deadline is None:
            return False
        expected = self.p95 if now - self._last < PATIENCE else 0.0
        return now + expected > deadline
