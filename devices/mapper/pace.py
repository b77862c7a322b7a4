"""How fast reports may go: EdgeCore takes 100 calls at once from all mappers together, then one a second."""

from __future__ import annotations

EDGECORE = 1.0
"""Calls a second that EdgeCore allows in the long run."""


class Pace:
    """A token bucket of one second's worth. Times are seconds of a monotonic clock."""

    def __init__(self, rate: float, now: float) -> None:
        self._fast = rate
        self._rate = rate
        self._tokens = max(1.0, rate)
        self._at = now

    @property
    def rate(self) -> float:
        """Calls a second that are made at most now."""
        return self._rate

    def delay(self, now: float) -> float:
        """Seconds to wait before the next call; 0 takes the right to make it."""
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._rate
        self._tokens -= 1.0
        return 0.0

    def refused(self, now: float) -> None:
        """The manager said that there were too many: from now on EdgeCore's own rate holds."""
        self._rate = min(self._fast, EDGECORE)
        self._tokens, self._at = 0.0, now

    def reset(self) -> None:
        """Another manager may be there: be as fast as at first."""
        self._rate = self._fast
