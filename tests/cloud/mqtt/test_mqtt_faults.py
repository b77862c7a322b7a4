"""The fault matrix with a broker for a cloud: see `tests/cloud/scene.py`. `make cloud-faults` has more of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cloud.mqtt.program import Program
from tests.cloud.scene import Happening, Scene, bad_wire, cut, half_open, killed, restarted, scene


async def broker_killed(one: Scene[Program]) -> None:
    """What it had confirmed and not written down is gone; the program asks for it when it is back."""
    one.far.broker.kill()
    await one.go_on(0.5)
    await one.far.start()
    await one.linked()


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((broker_killed, killed), id="kills"),
        pytest.param((cut, half_open, restarted, broker_killed), id="more", marks=pytest.mark.slow),
    ],
)
async def test_after_a_fault_nothing_is_missing_or_there_twice(tmp_path: Path, faults: tuple[Happening, ...]) -> None:
    async with scene(tmp_path, Program(tmp_path)) as one:
        for happens in faults:
            await happens(one)
            print(f"{happens.__name__}: equal {await one.settle():.2f} s after the link")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_round_trips_of_two_seconds_and_thirty_percent_of_loss(tmp_path: Path) -> None:
    async with scene(tmp_path, Program(tmp_path)) as one:
        await bad_wire(one)
        print(f"equal {await one.settle():.2f} s after the wire was mended")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2))
async def test_a_gateway_and_a_broker_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with scene(tmp_path, Program(tmp_path)) as one:
        for _ in range(15):
            await (broker_killed(one) if chance.random() < 0.3 else killed(one, chance))
        print(f"equal {await one.settle():.2f} s after the last")
        await one.check()
