"""A gateway process and its cloud: cut off, and equal again; and what its devices feel of it."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from benches.figures import Figure
from benches.load import Outcome
from benches.stage import OFF, ROOT, Running, free_port, gateway, waited
from benches.standin import PROPERTIES, Stand, device, model, twins_of

LOAD = {"temperature": "FLOAT", "humidity": "INT", "voltage": "FLOAT", "door": "STRING"}
"""What `benches.load` reports."""
PACE = 200
"""Local updates a second while the cloud is, or is not, there."""
WINDOW = 4.0
"""Seconds of that; a backlog of 150 devices drains for 4 s at 25 messages a second."""
AWAY = 3600.0


def outage(devices: int, rate: float) -> list[Figure]:
    with _joined(devices, rate) as (stand, found, port):
        _away(stand, found, port, devices)
        seconds = _back(stand, found, devices)
    changed = f"{devices * len(PROPERTIES):,} changed properties on {devices:,} devices"
    limit = (devices - 50) / 25.0
    return [
        Figure(f"equal after an outage, {changed}, at {rate:g} messages/s", seconds, "s"),
        Figure("the same at 25 messages/s, the default (computed)", max(limit, seconds), "s"),
    ]


def churn(rate: float) -> list[Figure]:
    """100 devices report, and of 300 others 100 come, 100 change and 100 go in the cloud meanwhile."""
    with _joined(300, rate) as (stand, found, port):
        _away(stand, found, port, 100)
        for n in range(100):
            stand.ask("PUT", f"/devices/default/new{n}", device(f"new{n}", PROPERTIES))
            stand.ask("PATCH", f"/devices/default/d{n + 100}", {"desired": {"p0": "new"}})
            stand.ask("DELETE", f"/devices/default/d{n + 200}")
        seconds = _back(stand, found, 100)
    name = "equal after an outage, 1,000 changed properties, 300 devices added, changed, removed"
    return [Figure(name, seconds, "s", "≤ 5")]


def local(devices: int, turns: int) -> list[Figure]:
    """The same load on a gateway that is joined, cut, and drains, in turns of some seconds; medians over the turns."""
    rounds: list[tuple[Outcome, Outcome, Outcome]] = []
    with _joined(devices, 25.0) as (stand, found, port):
        for turn in range(turns):
            asyncio.run(_say(port, devices, f"before-{turn}"))
            _settled(stand, found, devices, f"before-{turn}")
            calm = _load(port, WINDOW)
            stand.fault("cut", AWAY)
            asyncio.run(_say(port, devices, f"after-{turn}"))
            cut = _load(port, WINDOW)
            stand.fault("cut", 0)
            if not waited(lambda: _get(found, "/api/v1/cloud")["state"] == "connected", 30.0):
                sys.exit("there is no link again")
            rounds.append((calm, cut, _load(port, WINDOW)))
            _settled(stand, found, devices, f"after-{turn}")
    p99 = [statistics.median(side.p99 for side in sides) for sides in zip(*rounds, strict=True)]
    p50 = [statistics.median(side.p50 for side in sides) for sides in zip(*rounds, strict=True)]
    load = f"local updates, {PACE}/s"
    return [
        Figure(f"{load}: p99 without the cloud", p99[1], "ms"),
        Figure(f"{load}: p50 joined, against without", p50[0] / p50[1], "", "≤ 1.2"),
        Figure(f"{load}: p99 joined, against without", p99[0] / p99[1], "", "≤ 2"),
        Figure(f"{load}: p99 while a backlog drains, against without", p99[2] / p99[1], "", "≤ 2"),
    ]


@contextmanager
def _joined(devices: int, rate: float) -> Iterator[tuple[Stand, Running, int]]:
    """A stand-in, and a gateway process that has its devices; the port of its broker."""
    text = dict.fromkeys(PROPERTIES, "STRING")
    objects = [model(text), model(LOAD, "load"), *(device(f"d{n}", PROPERTIES) for n in range(devices))]
    objects += [device(f"thermometer-{n}", list(LOAD), model="load") for n in range(10)]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        (Path(folder) / "cloud").mkdir()
        stand = stack.enter_context(Stand(Path(folder) / "cloud", objects).running())
        broker = f'[node]\nname = "edge-1"\n[broker]\nlisten = "127.0.0.1:{free_port()}"\nanonymous = true\n'
        store = f'[store]\npath = "{folder}/data"\n'
        found = stack.enter_context(gateway(Path(folder), broker + store + OFF + stand.section(rate)))
        if not waited(lambda: len(_devices(found)) == devices + 10, 120.0):
            sys.exit("the gateway did not get its devices")
        yield stand, found, int(broker.partition("127.0.0.1:")[2].partition('"')[0])


def _away(stand: Stand, found: Running, port: int, devices: int) -> None:
    """Everything is in the cloud once; then the link is cut and everything changes."""
    asyncio.run(_say(port, devices, "before"))
    _settled(stand, found, devices, "before")
    stand.fault("cut", AWAY)
    asyncio.run(_say(port, devices, "after"))


def _back(stand: Stand, found: Running, devices: int) -> float:
    stand.fault("cut", 0)
    _settled(stand, found, devices, "after")
    record = stand.record()
    linked: int = max(line["time"] for line in record if line["verdict"] == "connected")
    last: int = max(line["time"] for line in record if line["verdict"] in ("confirmed", "acknowledged"))
    return (last - linked) / 1e6


def _settled(stand: Stand, found: Running, devices: int, value: str) -> None:
    """Wait until the cloud has the value of each device, and the gateway the cloud's devices."""

    def equal() -> bool:
        time.sleep(0.5)  # asking costs the stand-in what it could spend on the gateway
        if _get(found, "/api/v1/cloud")["pending"]:
            return False
        said = stand.ask("GET", "/devicestatuses")["items"]
        values = {one["metadata"]["name"]: {t["reported"]["value"] for t in twins_of(one)} for one in said}
        there = {f"default/{one['metadata']['name']}" for one in stand.ask("GET", "/devices")["items"]}
        return all(values.get(f"d{n}") == {value} for n in range(devices)) and there == set(_devices(found))

    if not waited(equal, 180.0):
        sys.exit("gateway and cloud are not equal after three minutes")


def _devices(found: Running) -> list[str]:
    return [one["id"] for one in _get(found, "/api/v1/devices")]


def _get(found: Running, path: str) -> Any:
    with urllib.request.urlopen(found.page + path, timeout=30) as answer:
        return json.load(answer)


async def _say(port: int, devices: int, value: str) -> None:
    """Each device reports ten properties; returns when all are answered."""
    twin = {name: {"actual": {"value": value}} for name in PROPERTIES}
    async with aiomqtt.Client("127.0.0.1", port, identifier="bench") as client:
        await client.subscribe("$hw/events/device/+/+/twin/update/result", qos=1)
        client.pending_calls_threshold = devices + 1
        for n in range(devices):
            body = json.dumps({"event_id": f"{value}-{n}", "timestamp": int(time.time() * 1000), "twin": twin})
            await client.publish(f"$hw/events/device/default/d{n}/twin/update", body, qos=1)
        async with asyncio.timeout(60):
            left = {f"{value}-{n}" for n in range(devices)}
            async for message in client.messages:
                left.discard(json.loads(bytes(message.payload))["event_id"])
                if not left:
                    return


def _load(port: int, seconds: float) -> Outcome:
    words = ("--devices", "10", "--in-flight", "0", "--seconds", str(seconds), "--rate", str(PACE))
    done = subprocess.run(
        [sys.executable, "-m", "benches.load", str(port), *words], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.unanswered or outcome.refused:
        sys.exit(f"local updates were lost: {outcome}")
    return outcome
