"""A production line with settings: how many good pieces it makes, how much scrap and what power, at any of them.

Too slow makes few pieces, too fast jams; heat and pressure each have a best value, which the line alone knows, and cost
power. The same seed gives the same line. No optimum is in a corner: of power there is not enough for that.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

RANGES = {"speed": (40.0, 120.0), "heat": (150.0, 230.0), "pressure": (1.0, 6.0)}
POWER = 52.0
"""Kilowatts that it may draw on average."""
NOISE = 0.03
"""Standard deviation of a value, as a part of it."""


@dataclass(frozen=True)
class Made:
    """In an hour: good `pieces`, `scrap` in percent, `power` in kW."""

    pieces: float
    scrap: float
    power: float


class Plant:
    """One line."""

    def __init__(self, seed: int) -> None:
        self._random = chance = random.Random(seed)
        self._jam = chance.uniform(85.0, 105.0)
        self._heat = chance.uniform(170.0, 205.0)
        self._pressure = chance.uniform(2.5, 4.5)
        self._drift = 0.0

    def start(self) -> dict[str, float]:
        """Settings drawn at random, among those that keep the power."""
        while True:
            found = {name: float(round(self._random.uniform(*ends), 1)) for name, ends in RANGES.items()}
            if self.truth(**found).power <= POWER:
                return found

    def truth(self, speed: float, heat: float, pressure: float) -> Made:
        """Without noise."""
        jams = 1 / (1 + math.exp((self._jam - speed) / 5))
        scrap = 2 + 18 * ((heat - self._heat) / 40) ** 2 + 14 * ((pressure - self._pressure) / 2) ** 2
        scrap = 100 * (1 - math.exp(-scrap / 100))
        power = 12 + 0.28 * speed + 0.16 * (heat - 150) + 3.2 * pressure
        return Made(speed * (1 - 0.7 * jams) * (1 - scrap / 100), scrap, power)

    def made(self, speed: float, heat: float, pressure: float) -> Made:
        """As it is measured at a moment: ask for one after the other."""
        self._drift = 0.9 * self._drift + self._random.gauss(0.0, 0.006)
        true = self.truth(speed, heat, pressure)
        noisy = [value * (1 + self._random.gauss(0.0, NOISE)) for value in (true.pieces, true.scrap, true.power)]
        return Made(noisy[0] * (1 + self._drift), noisy[1], noisy[2])
