"""A second node of our name at the broker.

A broker ends the connection of a client when another comes with its name, so two such nodes push each other out for
ever. Each finds the other's birth where its own ought to be.
"""

from __future__ import annotations

from runtime.clock import Clock

MEMORY = 60.0
"""Seconds that it is taken to be there; it is back within a few."""


class Rival:
    """Whether it was seen lately."""

    def __init__(self, node: str, clock: Clock) -> None:
        self.accusation = (
            f"a second node is at the broker as {node}, and each pushes the other out: give one of them another "
            "[node] name"
        )
        self._clock = clock
        self._until = float("-inf")

    @property
    def suspected(self) -> bool:
        return self._clock.monotonic() < self._until

    def seen(self) -> None:
        self._until = self._clock.monotonic() + MEMORY
