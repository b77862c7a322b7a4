"""The fault matrix: a gateway process, devices on a real broker, the stand-in cloud, and a bad network between.

Devices report and the cloud asks for the whole time. After each fault everything that was acknowledged is there,
nothing took effect twice, the order of each device is kept, no version went back, and both sides are equal within 5 s
of the first link that holds. `make cloud-faults` has more of it: minutes, each fault of the stand-in, kills again and
again.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from simulator.cloudcore.faults import Fault
from simulator.cloudcore.options import Options
from tests.cloud.scene import EQUAL, Happening, Scene, bad_wire, cut, half_open, killed, restarted, scene
from tests.cloud.standin import StandIn

ANSWER = 10.0
"""Seconds that a report waits for its answer."""


async def frames(one: Scene[StandIn], *kinds: Fault, seconds: float = 1.0) -> None:
    """The stand-in's own faults."""
    for kind in kinds:
        one.far.cloud.start(kind, seconds)
    await one.go_on(seconds)
    await one.linked()


async def doubled(one: Scene[StandIn]) -> None:
    """Every object and every answer comes twice, and out of order where the stand-in can do that."""
    await frames(one, *(kind for kind in get_args(Fault) if kind in ("duplicate", "reorder")))


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((cut,), id="cut"),
        pytest.param((killed,), id="killed"),
        pytest.param((half_open, doubled, restarted), id="more", marks=pytest.mark.slow),
    ],
)
async def test_after_a_fault_nothing_is_missing_or_there_twice(
    options: Options, tmp_path: Path, faults: tuple[Happening, ...]
) -> None:
    async with scene(tmp_path, StandIn(options)) as one:
        for happens in faults:
            await happens(one)
            await one.settle()
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_link_that_breaks_again_and_again(options: Options, tmp_path: Path) -> None:
    """And the next connection works. After a fourth time the gateway thinks of a rival, and waits for 10 s."""
    async with scene(tmp_path, StandIn(options)) as one:
        for _ in range(3):
            one.far.link.blink()
            await one.go_on(0.5)
            await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_link_that_is_cut_for_a_minute(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, StandIn(options)) as one:
        await cut(one, 60.0)
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_round_trips_of_two_seconds_and_thirty_percent_of_loss(options: Options, tmp_path: Path) -> None:
    """On such a wire nothing is quick, and a report that waits 10 s is sent again; when it is mended, all is well."""
    far = StandIn(msgspec.structs.replace(options, resend=5.0), heartbeat=15.0)
    async with scene(tmp_path, far) as one:
        await bad_wire(one)
        print(f"equal {await one.settle():.2f} s after the wire was mended")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", get_args(Fault))
async def test_each_fault_of_the_stand_in(options: Options, tmp_path: Path, kind: Fault) -> None:
    """A report that got no answer is sent again after 10 s: so long the fault lasts for it."""
    async with scene(tmp_path, StandIn(options)) as one:
        await frames(one, kind, seconds=5.0)
        print(f"{kind}: equal {await one.settle(EQUAL + ANSWER):.2f} s after the fault")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2))
async def test_a_gateway_killed_again_and_again(options: Options, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with scene(tmp_path, StandIn(options)) as one:
        for _ in range(20):
            await killed(one, chance)
        await one.settle()
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_one_fault_after_another(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, StandIn(options)) as one:
        for happens in (cut, half_open, killed, restarted, doubled, killed, half_open):
            await happens(one)
            print(f"{happens.__name__}: equal after {await one.settle():.2f} s")
        await one.check()
