"""Rules that hold up all others: measured after the fact, as a running evaluation cannot be interrupted.

A slow evaluation counts `WEIGHT`, a quick one takes one off: three slow ones in a row are too many, and so is one in
five for long; one that another program delayed, once in a while, is not.
"""

from __future__ import annotations

SLOW = 0.010
"""Seconds that one evaluation may take."""
WEIGHT = 5
MOST = 3 * WEIGHT - 2


class Quarantine:
    """Of one detector. `reason` is empty while it may be evaluated; `skipped` counts what it was not evaluated for."""

    __slots__ = ("reason", "skipped", "strikes")

    def __init__(self) -> None:
        self.reason = ""
        self.skipped = 0
        self.strikes = 0

    def note(self, seconds: float, broken: str) -> bool:
        """Take what an evaluation cost, and the error of ours that it ended with; `True` when it was the last one."""
        if broken:
            self.reason = f"an evaluation failed: {broken}"
        elif seconds <= SLOW:
            self.strikes -= self.strikes > 0
        else:
            self.strikes += WEIGHT
            if self.strikes >= MOST:
                self.reason = f"its evaluations take too long: the last {seconds * 1e3:.0f} ms, {SLOW * 1e3:.0f} may be"
        return bool(self.reason)
