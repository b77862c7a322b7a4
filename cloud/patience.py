"""How long an answer may take. Pure."""

from __future__ import annotations

from twins.errors import Unavailable

LONGEST = 16
"""Times the usual."""


class Patience:
    """A cloud that is behind answers late: with one deadline for ever, all that is sent again would be late too."""

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self.seconds = usual

    def answered(self, took: float) -> None:
        """An answer came after so many seconds: the next may take twice that."""
        self.seconds = self._within(2 * took)

    def silent(self, waited: float) -> None:
        """None came. Only who waited as long as the deadline is now makes it longer: many wait at once."""
        if waited >= self.seconds:
            self.seconds = self._within(2 * waited)

    def _within(self, seconds: float) -> float:
        return min(max(seconds, self._usual), LONGEST * self._usual)


class Silent(Unavailable):
    """No answer came in time; the link may live."""
