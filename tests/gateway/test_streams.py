"""Queries and pipelines in a real gateway: sensors over MQTT, results in SQL and to rules, the same after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.gateway.service import Process
from tests.mosquitto import Mosquitto

SECOND = 1_000_000
START = 1_795_255_200
MANIFESTS = """
apiVersion: gemelo.dev/v1alpha1
kind: Pipeline
metadata: {name: tidy}
spec:
  from: [{device: "thermometer-*", property: temperature}]
  steps:
    - convert: {from: fahrenheit, to: celsius}
    - clip: {min: -40, max: 125, outside: drop}
---
apiVersion: gemelo.dev/v1alpha1
kind: Query
metadata: {name: ten}
spec:
  from: [{device: "thermometer-*", property: temperature}]
  window: {tumbling: 10s}
  aggregates: [n, mean, max]
  outOfOrder: 2s
  lateness: 20s
  idle: 2s
---
apiVersion: gemelo.dev/v1alpha1
kind: Query
metadata: {name: hall}
spec:
  from: [{query: ten, result: mean}]
  key: all
  window: {count: {size: 2}}
  aggregates: [mean]
---
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: hot}
spec:
  inputs: {mean: {device: "thermometer-*", property: temperature.ten.mean}}
  initial: Cool
  states:
    Cool: {onInput: {transitions: [{to: Hot, when: mean > 30.0}]}}
    Hot: {onEnter: {events: [{do: [{alert: {message: "${device} has ${mean}"}}]}]}}
"""
SERIES = (
    "SELECT epoch_us(time) // 1000000 - {start}, device, property, round(value, 6) FROM points"
    " WHERE property LIKE '%.%' OR device = 'hall' ORDER BY ALL"
)


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[tuple[Process, int]]:
    """A gateway with the manifests, and the port of a broker that outlives it."""
    folder.mkdir()
    (folder / "streams.yaml").write_text(MANIFESTS)
    more = '[twins]\nenrol = true\n[manifests]\npaths = ["streams.yaml"]\n'
    with (
        Mosquitto(folder / "broker") as broker,
        Process(folder, more, broker=f'url = "mqtt://127.0.0.1:{broker.port}"') as process,
    ):
        process.start().ready()
        yield process, broker.port


async def tell(port: int, readings: list[tuple[int, str, float]], base: int) -> None:
    """Readings (second, device, fahrenheit), each until it is answered: once stored, however often it is sent."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="sensors") as client:
        await client.subscribe("$hw/events/device/default/+/twin/update/result", qos=1)
        for at, device, value in readings:
            event = f"{device}:{at}"
            twin = {"temperature": {"actual": {"value": str(value), "metadata": {"timestamp": (base + at) * 1000}}}}
            body = json.dumps({"event_id": event, "timestamp": (base + at) * 1000, "twin": twin}).encode()
            async with asyncio.timeout(15):
                while not await answered(client, f"$hw/events/device/default/{device}/twin/update", body, event):
                    pass


async def answered(client: aiomqtt.Client, topic: str, body: bytes, event: str) -> bool:
    """Send, and hear whether it is answered; a gateway that starts may not have heard."""
    await client.publish(topic, body, qos=1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            async for message in client.messages:
                if json.loads(bytes(message.payload))["event_id"] == event:
                    return True
    return False


def results(process: Process, base: int, count: int) -> list[list[Any]]:
    """The series that the queries made, once there are so many points."""
    rows: list[list[Any]] = []
    deadline = time.monotonic() + 15
    while len(rows) < count and time.monotonic() < deadline:
        rows = process.sql(SERIES.format(start=base))
        time.sleep(0.05)
    return rows


def readings() -> list[tuple[int, str, float]]:
    """Forty seconds of two thermometers, some out of order, one far off, one late enough to correct a window."""
    made = [
        (at + (at % 4 == 2) - (at % 4 == 3), f"thermometer-{n}", 50.0 + 18 * n + at) for at in range(40) for n in (1, 2)
    ]
    made.insert(30, (12, "thermometer-1", 9999.0))
    made.insert(70, (23, "thermometer-1", 104.5))
    return made


def base() -> int:
    """A moment that windows begin with, a little ago, so that the readings are plausible."""
    return (int(time.time()) - 120) // 10 * 10


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """What a gateway that nobody disturbs made of the readings."""
    start = base()
    with gateway(tmp_path_factory.mktemp("streams") / "calm") as (process, port):
        asyncio.run(tell(port, readings(), start))
        return {
            "results": results(process, start, 31),
            "hottest": process.sql("SELECT max(value) FROM points WHERE property = 'temperature'"),
            "alerts": process.sql("SELECT message FROM events WHERE message LIKE '% has %'"),
        }


def test_a_sensors_windows_are_series_in_sql_and_inputs_of_rules(calm: dict[str, list[list[Any]]]) -> None:
    rows = calm["results"]
    means = {(device, at): value for at, device, name, value in rows if name == "temperature.ten.mean"}
    assert means["thermometer-1", 0] == pytest.approx((68 + 4.5 - 32) / 1.8, abs=1e-5)
    assert {at for _, at in means} == {0, 10, 20, 30}
    ours = ("thermometer-1", "temperature.ten.n")
    counts = [(at, value) for at, device, name, value in rows if (device, name) == ours]
    assert counts == [(0, 10), (10, 10), (20, 10), (20, 11), (30, 10)]
    assert [device for _, device, name, _ in rows if name == "mean"] == ["hall"] * 4
    assert calm["hottest"][0][0] < 125
    assert [message for (message,) in calm["alerts"] if "thermometer-2" in message] == [
        "default/thermometer-2 has 32.5"
    ]


async def test_a_kill_in_the_middle_of_a_window_changes_no_window(
    calm: dict[str, list[list[Any]]], tmp_path: Path
) -> None:
    start, everything = base(), readings()
    with gateway(tmp_path / "shaken") as (process, port):
        for part in range(0, len(everything), 45):
            await tell(port, everything[max(0, part - 5) : part + 45], start)  # some come again
            process.kill()
            process.start().ready()
        assert results(process, start, 31) == calm["results"]
