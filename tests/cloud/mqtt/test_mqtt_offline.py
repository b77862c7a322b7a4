"""A day without the broker, and kills on either side of a commit: real broker and link, the test's time and disk."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.mqtt.edge import Edge, until
from tests.cloud.mqtt.heaven import Heaven, heaven
from tests.cloud.wire import Wire
from tests.gateway.stage import Disk
from tests.mosquitto import Mosquitto

HOUR = 3600.0
LIVES = 8
NAMES = tuple(f"p{n}" for n in range(10))
EQUAL = 5.0
"""Seconds after the wire is mended."""


class LeapingClock:
    """The machine's clock, but that the test may let hours pass at once."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._leapt = asyncio.Event()

    def now(self) -> int:
        return time.time_ns() // 1000 + round(self._ahead * 1e6)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        due = self.monotonic() + seconds
        while (left := due - self.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._leapt.wait()

    def leap(self, seconds: float) -> None:
        self._ahead += seconds
        self._leapt.set()
        self._leapt = asyncio.Event()


def device(name: str, label: str = "") -> dict[str, Any]:
    metadata = {"name": name} | ({"labels": {"description": label}} if label else {})
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": metadata, "spec": {}}


def versions(edge: Edge) -> dict[tuple[str, str], int]:
    return {
        (t.device, n): p.reported.version.edge for t in edge.stage.twins for n, p in t.properties.items() if p.reported
    }


async def test_after_a_day_the_sides_are_equal_within_five_seconds(tmp_path: Path) -> None:
    """1,000 changed properties on 100 devices; of others 100 come, 100 change and 100 go in the cloud meanwhile."""
    clock = LeapingClock()
    with Mosquitto(tmp_path / "cloud", "max_queued_messages 100000") as broker:
        async with Wire(broker.port) as wire, heaven(broker.port) as far:
            edge = Edge(wire.port, clock=clock)
            async with edge.running():
                for n in range(100):
                    await edge.report(f"default/d{n}", **dict.fromkeys(NAMES, "0"))
                for n in range(200):
                    await manifest(far, f"old{n}", device(f"old{n}"))
                await until(lambda: edge.unsynced == 0 and len(edge.stage.registry.manifests) == 200)

                wire.cut()
                before, known = edge.cloud.state.counters.sent, versions(edge)
                for hour in range(24):
                    clock.leap(HOUR)
                    for n in range(100):
                        await edge.report(f"default/d{n}", **dict.fromkeys(NAMES, str(hour)))
                for n in range(100):
                    await far.send(f"edge-1/twins/default/d{n}/desired", {"version": 1, "properties": {"p0": "asked"}})
                    await manifest(far, f"old{n}", device(f"old{n}", "the big one"))
                    await manifest(far, f"old{n + 100}", b"")
                    await manifest(far, f"new{n}", device(f"new{n}"))
                assert edge.cloud.state.phase != "online"

                wire.mend()
                began = time.monotonic()
                wanted = {f"default/d{n}": dict.fromkeys(NAMES, "23") for n in range(100)}
                names = {f"default/{kind}{n}" for kind in ("old", "new") for n in range(100)}
                await far.until(lambda: all(far.reported(name) == values for name, values in wanted.items()))
                await until(lambda: {name for _, name in edge.stage.registry.manifests} == names)
                manifests = edge.stage.registry.manifests
                await until(lambda: all(b"the big one" in manifests["Device", f"default/old{n}"] for n in range(100)))
                await until(
                    lambda: edge.unsynced == 0 and all(edge.desired(name) == {"p0": "asked"} for name in wanted)
                )
                took = time.monotonic() - began
                print(f"equal after {took:.2f} s")
                assert took <= EQUAL
                assert edge.cloud.state.counters.sent - before <= 150, (
                    "of each device all in one, however often it changed"
                )
                assert all(version >= known[place] for place, version in versions(edge).items() if place in known)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
async def test_kills_on_either_side_of_a_commit_and_cuts_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """What the cloud says is said once: what a kill interrupts, the broker brings again."""
    chance, disk = random.Random(seed), Disk()
    devices, once = ([f"default/{kind}{n}" for n in range(number)] for kind, number in (("d", 5), ("once", LIVES)))
    sent, answered, asked = dict.fromkeys(devices, 0), dict.fromkeys(devices, 0), dict.fromkeys(devices, 0)

    async def say(edge: Edge, device: str) -> None:
        """The next number, or the last again when it was not answered."""
        sent[device] = number = answered[device] + 1
        event = number * 100 + int(device[-1])
        await edge.stage.core.ask(edge.stage.update(device, seq=event, repeats=True, p0=str(number)))
        answered[device] = number

    async def ask(far: Heaven, device: str, version: int) -> None:
        request = {"version": version, "properties": {"p1": version}}
        await far.send(f"edge-1/twins/{device}/desired", request)

    def whole(edge: Edge) -> None:
        """What was answered is there, once."""
        for device in devices:
            number = int(edge.reported(device).get("p0", "0"))
            assert answered[device] <= number <= sent[device], device
            assert versions(edge).get((device, "p0"), 0) == number, "counted twice"

    with Mosquitto(tmp_path / "cloud", "max_queued_messages 100000") as broker:
        async with Wire(broker.port) as wire, heaven(broker.port) as far:
            async with Edge(wire.port, disk=disk).running() as edge:
                for device in devices + once:
                    await edge.report(device, there="1")
                await until(lambda: edge.unsynced == 0)
            for life in range(LIVES):
                disk.held = False
                wire.mend()
                async with Edge(wire.port, disk=disk).running(online=False) as edge, asyncio.TaskGroup() as group:
                    whole(edge)
                    for _ in range(chance.randrange(1, 12)):
                        if chance.random() < 0.2:
                            chance.choice((wire.cut, wire.mend, wire.mend))()
                        if chance.random() < 0.3:
                            device = chance.choice(devices)
                            asked[device] += 1
                            await ask(far, device, asked[device])
                        await say(edge, chance.choice(devices))
                        await asyncio.sleep(chance.choice((0.0, 0.01, 0.1)))
                    disk.held = True  # the last breath: things are decided, and perhaps they reach the disk
                    await ask(far, once[life], 1)
                    last = group.create_task(say(edge, chance.choice(devices)))
                    await asyncio.sleep(chance.choice((0.0, 0.01, 0.1)))
                    if chance.random() < 0.5:
                        await disk.commit()
                        await asyncio.sleep(chance.choice((0.0, 0.01)))
                    wire.cut()  # so nobody says goodbye
                    last.cancel()
                del disk.batches[disk.durable :]

            disk.held = False
            wire.mend()
            async with Edge(wire.port, disk=disk).running() as edge:
                for device in devices:
                    if answered[device] < sent[device]:
                        await say(edge, device)  # again; nobody else says anything that would bring old news along
                wanted = asked | dict.fromkeys(once, 1)
                await until(lambda: all(edge.desired(d).get("p1", "0") == str(n) for d, n in wanted.items()))
                await far.until(lambda: all(far.reported(d).get("p0", "0") == str(n) for d, n in sent.items()))
                whole(edge)
            for device in devices:
                told = [e["data"]["properties"] for t, e, _ in far.heard if t.endswith(f"{device}/reported")]
                numbers = [int(p["p0"]["reported"]["value"]) for p in told if "reported" in p.get("p0", {})]
                assert all(a <= b for a, b in pairwise(numbers)), "order"
                assert sent[device] == answered[device]
                points = [p.seq for b in disk.batches for p in b.points if p.series == f"{device}/p0"]
                assert len(points) == len(set(points)) == sent[device], "a point is missing or there twice"
            for device, number in wanted.items():
                assert edge.desired(device).get("p1", "0") == str(number)
                answers = [e["data"] for t, e, _ in far.heard if t.endswith(f"{device}/desired/ack")]
                assert {each["version"] for each in answers} == set(range(1, number + 1)), "each is answered"
                accepted = [a["version"] for a in answers if a["properties"]["p1"]["outcome"] == "accepted"]
                assert len(accepted) == len(set(accepted)), "taken twice"


async def manifest(far: Heaven, name: str, body: object) -> None:
    await far.send(f"edge-1/manifests/devices/default/{name}", body, retain=True)
