"""How long an answer may take. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twins.errors import Unavailable

LONGEST = 16
"""Times the usual."""
AGAIN = 2
"""Times the usual, after which who waits alone asks again: once in so long is no burden for a cloud that is behind."""


class Patience:
    """A cloud that is behind answers late: with one deadline for ever, all that is sent again would be late too."""

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self._mute = False
        self._waiting = 0
        self._probing = False
        self.seconds = usual
        self.heard = 0
        """Answers so far."""

    @contextmanager
    def deadline(self) -> Iterator[tuple[float, float]]:
        """How long a question waits at most, and after how long it is asked again meanwhile (0: it is not).

        It waits inside the block. While nothing is answered at all, one of several waits no longer than usual and is
        sent again, and one alone asks again while it waits: by that one a cloud that is well again is found out, and
        not after the longest deadline.
        """
        alone = self._mute and self._waiting == 0
        probes = self._mute and self._waiting > 0 and not self._probing
        self._probing = self._probing or probes
        self._waiting += 1
        try:
            yield (self._usual, 0.0) if probes else (self.seconds, AGAIN * self._usual if alone else 0.0)
        finally:
            self._waiting -= 1
            self._probing = self._probing and not probes

    def answered(self, took: float) -> None:
        """An answer came after so many seconds: the next may take twice that."""
        self.heard += 1
        self._mute = False
        self.seconds = self._within(2 * took)

    def silent(self, waited: float, heard: int) -> None:
        """None came, and there were `heard` before. Only who waited as long as the deadline is now makes it longer, as
        many wait at once; and nobody does while others are answered."""
        if waited >= self.seconds and heard == self.heard:
            self.seconds = self._within(2 * waited)
            self._mute = True

    def _within(self, seconds: float) -> float:
        return min(max(seconds, self._usual), LONGEST * self._usual)


class Silent(Unavailable):
    """No answer came in time; the link may live."""
