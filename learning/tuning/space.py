"""The values that a parameter may have, and those it may go to in one step. Pure.

A configuration is a tuple of values as twins write them, one for each axis.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import ceil, floor

from msgspec import Struct

SLACK = 1e-9
"""Of a step: what arithmetic loses."""
Configuration = tuple[str, ...]


class Axis(Struct, frozen=True):
    """One parameter: `choices`, or numbers from `least` to `most` in steps; `stride` is the most it moves at once."""

    least: float = 0.0
    most: float = 0.0
    step: float = 1.0
    stride: float = 0.0
    choices: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many values it may have."""
        return len(self.choices) or int((self.most - self.least) / self.step + SLACK) + 1

    def value(self, level: int) -> str:
        return self.choices[level] if self.choices else f"{round(self.least + level * self.step, 9):.12g}"

    def holds(self, value: str) -> bool:
        """Whether it may have this value; of a number, between the steps too."""
        if self.choices:
            return value in self.choices
        number = number_of(value)
        return number is not None and self.least <= number <= self.most

    def levels(self, value: str) -> range:
        """The levels to which it may go from this value in one step."""
        if self.choices:
            return range(self.count)
        number = number_of(value)
        assert number is not None  # it holds it
        if not self.stride:
            return range(self.count)
        first = max(0, ceil((number - self.stride - self.least) / self.step - SLACK))
        last = floor((number + self.stride - self.least) / self.step + SLACK)
        return range(first, min(last, self.count - 1) + 1)

    def place(self, value: str) -> list[float]:
        """Where a value is for a model: from 0 to 1, or one of several ones."""
        if self.choices:
            return [float(value == each) for each in self.choices]
        return [(float(value) - self.least) / (self.most - self.least)]


def number_of(value: str) -> float | None:
    """A value as a number, `None` where it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # no NaN and no infinity either


def allows(axes: Sequence[Axis], now: Configuration, then: Configuration) -> bool:
    """Whether one step leads from the one to the other."""
    return len(axes) == len(then) and all(
        other in {axis.value(level) for level in axis.levels(here)}
        for axis, here, other in zip(axes, now, then, strict=True)
    )


def step(axes: Sequence[Axis], now: Configuration, chance: random.Random) -> Configuration:
    """A configuration one step away, drawn evenly."""
    return tuple(
        axis.value(chance.choice(levels)) if (levels := axis.levels(here)) else here
        for axis, here in zip(axes, now, strict=True)
    )
