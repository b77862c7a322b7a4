"""Ids of inputs: `door:boot:counter`. `boot` is the number of starts, so an id never comes twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count


class Causes:
    """The ids of one run of the gateway. `boot` is known once the journal is open, before the first is asked for."""

    def __init__(self, boot: int = 0) -> None:
        self.boot = boot

    def of(self, door: str) -> Callable[[], str]:
        """A function that gives the next id of a door; ask for one function a door."""
        numbers = count(1)
        return lambda: f"{door}:{self.boot}:{next(numbers)}"
