"""Devices that are not there: a random walk, a sine, a constant, or what was written. For tries and tests of rules."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Annotated, Literal

from msgspec import Meta, Struct

from devices.mapper.driver import Driver, Scalar
from twins.errors import Rejected


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """`spec.protocol.configData`."""

    seed: int | None = None
    """Makes the random walks of a device the same each time."""


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    """`visitors.configData` of a property."""

    property: str
    mode: Literal["random", "sine", "constant", "echo"] = "random"
    minimum: float = 0.0
    maximum: float = 100.0
    step: Annotated[float, Meta(gt=0)] = 1.0
    """Random walk: the most it changes from one reading to the next."""
    period: Annotated[float, Meta(gt=0)] = 60.0
    """Sine: seconds."""
    value: bool | int | float | str = 0
    """Constant: this; echo: this until something is written."""


class Virtual(Driver[Settings, Visitor]):
    """Keeps what was written; a walk and a sine stay within their bounds, and go on from a number that is written."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._random = random.Random(settings.seed)
        self._values: dict[str, Scalar] = {}

    async def read(self, visitor: Visitor) -> Scalar:
        if visitor.minimum > visitor.maximum:
            reason = f"minimum {visitor.minimum:g} is above maximum {visitor.maximum:g}"
            raise Rejected(reason)
        match visitor.mode:
            case "constant":
                return visitor.value
            case "echo":
                return self._values.get(visitor.property, visitor.value)
            case "sine":
                middle, swing = (visitor.minimum + visitor.maximum) / 2, (visitor.maximum - visitor.minimum) / 2
                turn = asyncio.get_running_loop().time() / visitor.period
                return round(middle + swing * math.sin(2 * math.pi * turn), 6)
        return self._walk(visitor)

    async def write(self, visitor: Visitor, value: Scalar) -> None:
        if visitor.mode in {"constant", "sine"}:
            reason = f"a {visitor.mode} cannot be written; use mode: echo"
            raise Rejected(reason)
        self._values[visitor.property] = value

    def _walk(self, visitor: Visitor) -> float:
        last = self._values.get(visitor.property, (visitor.minimum + visitor.maximum) / 2)
        moved = float(last) + self._random.uniform(-visitor.step, visitor.step)
        value = round(min(visitor.maximum, max(visitor.minimum, moved)), 6)
        self._values[visitor.property] = value
        return value
