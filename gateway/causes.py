"""Ids of inputs: `door:boot:counter`. `boot` is the number of starts, so an id never comes twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count


def causes(door: str, boot: int) -> Callable[[], str]:
    """A function that gives the next id of a door."""
    numbers = count(1)
    prefix = f"{door}:{boot}:"
    return lambda: f"{prefix}{next(numbers)}"
