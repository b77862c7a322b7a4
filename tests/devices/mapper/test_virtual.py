from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest

from devices.mapper.drivers import find, names
from devices.mapper.drivers.virtual import Settings, Virtual, Visitor
from tests.clock import in_virtual_time
from tests.devices.mapper.bench import Bench
from twins.errors import Rejected


@in_virtual_time
async def test_a_random_walk_stays_within_its_bounds_and_its_steps() -> None:
    device = Virtual(Settings(seed=1))
    walk = Visitor("t", minimum=20, maximum=25, step=2)
    values = [await device.read(walk) for _ in range(500)]
    assert all(20 <= value <= 25 for value in values)
    assert all(abs(after - before) <= 2.000001 for before, after in itertools.pairwise(values))
    assert len(set(values)) > 100


@in_virtual_time
async def test_the_same_seed_walks_the_same_way() -> None:
    one, two = Virtual(Settings(seed=7)), Virtual(Settings(seed=7))
    assert [await one.read(Visitor("t")) for _ in range(9)] == [await two.read(Visitor("t")) for _ in range(9)]


@in_virtual_time
async def test_a_sine_has_its_period_and_its_bounds() -> None:
    device = Virtual(Settings())
    wave = Visitor("t", mode="sine", minimum=-10, maximum=10, period=8)
    values = []
    for _ in range(9):
        values.append(await device.read(wave))
        await asyncio.sleep(1)
    assert values == pytest.approx([0, 7.071068, 10, 7.071068, 0, -7.071068, -10, -7.071068, 0], abs=1e-6)


@in_virtual_time
async def test_an_echo_gives_back_what_was_written_to_it_alone() -> None:
    device = Virtual(Settings())
    one, two = Visitor("one", mode="echo", value=3), Visitor("two", mode="echo")
    await device.write(two, 9)
    assert (await device.read(one), await device.read(two)) == (3, 9)


@in_virtual_time
async def test_a_constant_and_a_sine_cannot_be_written() -> None:
    device = Virtual(Settings())
    assert await device.read(Visitor("c", mode="constant", value="on")) == "on"
    for mode in ("constant", "sine"):
        with pytest.raises(Rejected, match="use mode: echo"):
            await device.write(Visitor("c", mode=mode), 1)


@in_virtual_time
async def test_bounds_the_wrong_way_round_are_told() -> None:
    with pytest.raises(Rejected, match="above maximum"):
        await Virtual(Settings()).read(Visitor("t", minimum=2, maximum=1))


def test_a_mode_that_is_not_there_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="mode"):
        msgspec.convert({"property": "t", "mode": "square"}, Visitor)


def test_drivers_are_found_by_name_or_by_their_class() -> None:
    assert {"http", "modbus", "virtual"} <= set(names())
    assert find("virtual") is Virtual
    assert find("devices.mapper.drivers.virtual:Virtual") is Virtual


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("virtaul", "did you mean virtual"),
        ("no.such.module:X", "No module named"),
        ("devices.mapper.drivers.virtual:Nope", "no attribute 'Nope'"),
        ("devices.mapper.drivers.virtual:Settings", "no subclass of"),
    ],
)
def test_a_driver_that_is_not_there_is_told(name: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        find(name)


def test_a_driver_says_its_protocol_and_the_types_of_its_configuration() -> None:
    assert (Virtual.protocol, Virtual.settings_type, Virtual.visitor_type) == ("virtual", Settings, Visitor)
    assert Bench().driver.protocol == "bench"
