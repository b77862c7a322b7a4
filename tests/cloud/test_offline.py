"""A day without the cloud, and kills on either side of a commit, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.clock import in_virtual_time
from tests.cloud.sky import COMPARISON, Cloud, Edge
from tests.cloud.stage import NODE
from tests.gateway.stage import Disk, settle

DAY = 86_400.0
LIVES = 30
NAMES = tuple(f"p{n}" for n in range(10))
EQUAL = 5.0
"""Seconds after the last object that the cloud sends; its comparison, which is when it begins to, comes before."""
MODEL = {
    "kind": "DeviceModel",
    "metadata": {"name": "ten"},
    "spec": {"properties": [{"name": name, "type": "STRING", "accessMode": "ReadWrite"} for name in NAMES]},
}


def add(cloud: Cloud, name: str, **desired: str) -> None:
    properties = [{"name": p} | ({"desired": {"value": desired[p]}} if p in desired else {}) for p in NAMES]
    spec = {"deviceModelRef": {"name": "ten"}, "nodeName": NODE, "properties": properties}
    cloud.cluster.apply({"kind": "Device", "metadata": {"name": name}, "spec": spec})


def wishes(cloud: Cloud) -> dict[str, dict[str, Any]]:
    return {
        f"default/{one['metadata']['name']}": {
            p["name"]: p["desired"]["value"] for p in one["spec"]["properties"] if "desired" in p
        }
        for one in cloud.cluster.all("Device")
    }


def known(values: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Without those of which nothing was heard."""
    return {device: said for device, said in values.items() if said}


def equal(cloud: Cloud, edge: Edge) -> bool:
    return edge.desired() == wishes(cloud) and known(cloud.values()) == known(edge.values())


async def until(true: Callable[[], bool], within: float) -> float:
    """The virtual seconds it took."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.25)
    return asyncio.get_running_loop().time() - began


@in_virtual_time
async def test_after_a_day_the_sides_are_equal_within_five_seconds_of_what_the_cloud_sends(tmp_path: Path) -> None:
    """1,000 changed properties on 100 devices; 100 devices come, 100 change and 100 go in the cloud meanwhile."""
    cloud = Cloud(tmp_path)
    cloud.cluster.apply(MODEL)
    for n in range(200):
        add(cloud, f"d{n}", p0="0")
    async with Edge(cloud, Disk()).running() as edge:
        await until(lambda: edge.desired() == wishes(cloud), 120)
        for n in range(100):
            await edge.report(f"default/d{n}", n, **dict.fromkeys(NAMES, "0"))
        await until(lambda: equal(cloud, edge), 60)
        await asyncio.sleep(5)  # for the last confirmations
        before = cloud.messages

        cloud.connected.clear()
        for hour in range(0, 24, 6):
            for n in range(100):
                await edge.report(f"default/d{n}", 1000 + hour * 100 + n, **dict.fromkeys(NAMES, f"{hour} h"))
            await asyncio.sleep(DAY / 4)
        assert cloud.messages == before
        for n in range(100):
            cloud.cluster.desire("default", f"d{n}", {"p0": "day"})
            cloud.cluster.delete("Device", "default", f"d{n + 100}")
            add(cloud, f"new{n}", p1="1")
        cloud.connected.set()
        took = await until(lambda: equal(cloud, edge), 60)
        assert took <= COMPARISON + (300 * 2 + 2) * 0.02 + EQUAL, took
        assert cloud.messages - before <= 110, "one message a device, whatever it said and how often"


@in_virtual_time
async def test_local_updates_are_as_fast_joined_cut_or_draining(tmp_path: Path) -> None:
    """In virtual time only waiting costs: an update waits for its commit, and for nothing of the cloud's."""
    cloud = Cloud(tmp_path)
    cloud.cluster.apply(MODEL)
    for n in range(100):
        add(cloud, f"d{n}")
    async with Edge(cloud, Disk()).running() as edge:
        await until(lambda: equal(cloud, edge), 60)
        for state in (cloud.connected.set, cloud.connected.clear, cloud.connected.set):
            state()
            began = edge.stage.clock.monotonic()
            for n in range(1000):
                await edge.report(f"default/d{n % 100}", random.getrandbits(60), p0=str(n))
            assert edge.stage.clock.monotonic() == began


@in_virtual_time
async def test_what_is_on_its_way_when_the_link_is_cut_is_sent_again(tmp_path: Path) -> None:
    chance = random.Random(1)
    cloud = Cloud(tmp_path)
    cloud.cluster.apply(MODEL)
    for n in range(60):
        add(cloud, f"says{n}")
        add(cloud, f"hears{n}", p1="0")
    async with Edge(cloud, Disk()).running() as edge:
        await until(lambda: edge.desired() == wishes(cloud), 60)
        for n in range(60):  # each device says one thing, so that nothing said later brings it along
            cloud.connected.set()
            await asyncio.sleep(chance.uniform(6.0, 12.0))
            await edge.report(f"default/says{n}", n, p0="said")
            cloud.cluster.desire("default", f"hears{n}", {"p1": "asked"})
            await asyncio.sleep(chance.uniform(0.0, 0.15))
            cloud.connected.clear()
            await asyncio.sleep(1.0)
        cloud.connected.set()
        await until(lambda: equal(cloud, edge), 60)


@pytest.mark.parametrize("seed", range(2))
@in_virtual_time
async def test_kills_on_either_side_of_a_commit_and_cuts_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cloud, disk = Cloud(tmp_path), Disk()
    cloud.cluster.apply(MODEL)
    devices = [f"default/d{n}" for n in range(5)]
    for name in (*(device[8:] for device in devices), *(f"once{life}" for life in range(LIVES))):
        add(cloud, name, p1="0")
    sent = dict.fromkeys(devices, 0)
    answered = dict.fromkeys(devices, 0)
    asked = 0

    async def say(edge: Edge, device: str) -> None:
        """The next number, or the last again when it was not answered."""
        sent[device] = answered[device] + 1
        await edge.report(device, sent[device] * 100 + int(device[-1]), p0=str(sent[device]))
        answered[device] = sent[device]

    def whole(edge: Edge) -> None:
        """What was answered is there, once."""
        for device in devices:
            twin = edge.stage.twins.get(device)
            said = twin.properties.get("p0") if twin else None
            number = int(said.reported.value) if said and said.reported else 0
            assert answered[device] <= number <= sent[device], device
            assert said is None or said.reported is None or said.reported.version.edge == number, "counted twice"

    async with Edge(cloud, disk).running() as edge:
        await until(lambda: edge.desired() == wishes(cloud), 60)
    for life in range(LIVES):
        disk.held = False
        async with Edge(cloud, disk).running() as edge, asyncio.TaskGroup() as group:
            whole(edge)
            for _ in range(chance.randrange(1, 12)):
                if chance.random() < 0.2:
                    (cloud.connected.clear if cloud.connected.is_set() else cloud.connected.set)()
                if chance.random() < 0.3:
                    asked += 1
                    cloud.cluster.desire("default", chance.choice(devices)[8:], {"p1": str(asked)})
                await say(edge, chance.choice(devices))
                await asyncio.sleep(chance.choice((0.0, 0.01, 0.1, 1.0, 6.0)))
            disk.held = True  # the last breath: things are decided, and perhaps they reach the disk
            cloud.cluster.desire("default", f"once{life}", {"p1": "asked"})
            last = group.create_task(say(edge, chance.choice(devices)))
            await asyncio.sleep(chance.choice((0.0, 0.03, 0.1)))
            if chance.random() < 0.5:
                await disk.commit()
            await settle()
            last.cancel()

    disk.held = False
    cloud.connected.set()
    async with Edge(cloud, disk).running() as edge:
        for device in devices:
            if answered[device] < sent[device]:
                await say(edge, device)  # again; nobody else says anything that would bring old news along
        await until(lambda: equal(cloud, edge), 30)
        whole(edge)
        for device in devices:
            stored = [int(values["p0"]) for name, values in cloud.stored if name == device and "p0" in values]
            assert all(a <= b for a, b in pairwise(stored)), "order"
            assert stored[-1] == sent[device] == answered[device]
            points = [p.seq for b in disk.batches for p in b.points if p.series == f"{device}/p0"]
            assert len(points) == len(set(points)) == sent[device], "a point is missing or there twice"
