"""A second node of our name at the broker.

A broker ends the connection of a client when another comes with its name, so two such nodes push each other out for
ever, and each finds the other's birth where its own ought to be. One such birth proves nothing: a broker that lost what
it had not written down shows that of our run before this one. Two different ones within a minute do.
"""

from __future__ import annotations

from cloud.mqtt.events import Presence
from runtime.clock import Clock

MEMORY = 60.0
"""Seconds that it is taken to be there, and that a birth is remembered: it is back within a few."""


class Rival:
    """Told of births that are not ours; whether there is a second node."""

    def __init__(self, node: str, clock: Clock) -> None:
        self.accusation = (
            f"a second node is at the broker as {node}, and each pushes the other out: give one of them another "
            "[node] name"
        )
        self._clock = clock
        self._born: Presence | None = None
        self._last = self._proved = float("-inf")

    @property
    def suspected(self) -> bool:
        return self._clock.monotonic() - self._proved < MEMORY

    def saw(self, born: Presence) -> bool:
        """Whether this birth proves it."""
        now = self._clock.monotonic()
        proves = self._born is not None and born != self._born and now - self._last < MEMORY
        self._born, self._last = born, now
        if proves:
            self._proved = now
        return proves
