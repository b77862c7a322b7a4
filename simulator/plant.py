"""`gemelo-sim plant`: a production line with settings, on MQTT.

How many good pieces it makes, how much scrap and what power it draws, at any settings: too slow makes few pieces, too
fast jams; heat and pressure each have a best value, which the line alone knows, and cost power. The same seed gives the
same line. No optimum is in a corner: of power there is not enough for that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiomqtt

NAME = "plant"
HELP = "a production line that takes settings and tells what it makes of them, on MQTT"

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


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="which line (default 1)")
    parser.add_argument("--device", default="default/press", help="its id (default default/press)")
    parser.add_argument("--host", default="127.0.0.1", help="of the broker (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=1883, help="of the broker (default 1883)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="from value to value (default 1)")


async def run(args: argparse.Namespace) -> int:
    """Take what is desired at once, and tell what is made, until cancelled; another broker in its place is found."""
    plant = Plant(args.seed)
    settings = plant.start()
    while True:
        try:
            async with aiomqtt.Client(args.host, args.port, timeout=5) as client:
                await _live(client, plant, settings, args.device, args.every)
        except (aiomqtt.MqttError, TimeoutError):
            await asyncio.sleep(1)


async def _live(client: aiomqtt.Client, plant: Plant, settings: dict[str, float], device: str, every: float) -> None:
    topic = f"$hw/events/device/{device}"
    await client.subscribe(f"{topic}/twin/update/delta", qos=1)
    await client.subscribe(f"{topic}/twin/get/result", qos=1)
    await client.publish(f"{topic}/twin/get", json.dumps({"event_id": "start"}), qos=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(_obey(client, settings), name="plant.obey")
        async for _ in _beats(every):
            made = plant.made(**settings)
            values = settings | {"pieces": made.pieces, "scrap": made.scrap, "power": made.power}
            twin = {name: {"actual": {"value": f"{value:.6g}"}} for name, value in values.items()}
            now = time.time_ns() // 1_000_000
            body = {"event_id": f"{device}-{now}", "timestamp": now, "twin": twin}
            await client.publish(f"{topic}/twin/update", json.dumps(body), qos=1)


async def _obey(client: aiomqtt.Client, settings: dict[str, float]) -> None:
    async for message in client.messages:
        for name, sides in json.loads(bytes(message.payload)).get("twin", {}).items():
            expected = (sides or {}).get("expected") or {}
            if name in settings and expected.get("value"):
                settings[name] = float(expected["value"])


async def _beats(every: float) -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(every)
