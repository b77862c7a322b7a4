"""Mapped topics in a whole gateway with its own broker: a device writes its own and changes no other's twin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.mosquitto import find_mosquitto
from tests.gateway.process import Gateway, until
from tests.gateway.test_mapping import shows, started
from tests.gateway.test_sparkplug import CLIENT, PLANT, edge, state

METERS = """
apiVersion: gemelo.dev/v1alpha1
kind: Mapping
metadata: {name: meters, namespace: plant}
spec:
  topic: meters/{device}/state
  properties: [{name: lit, command: {topic: "meters/{device}/set"}}, {name: power}]
"""
CLOSED = 'listen = "127.0.0.1:0"'

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


def added(gateway: Gateway, device: str) -> dict[str, Any]:
    """What a device is told when it gets a password."""
    status, told = gateway.ask("POST", "/api/v1/credentials", {"device": device, "means": "password"})
    assert status == 200, told
    return dict(told)


def tell(gateway: Gateway, device: str, password: str, topics: Sequence[str], body: object) -> None:
    """Publish as a device; the last message is on its own topic, so that all have come when it has."""

    async def publish() -> None:
        where = {"username": device, "password": password, "timeout": 5}
        async with aiomqtt.Client("127.0.0.1", gateway.broker(), **where) as client:  # type: ignore[arg-type]
            for topic in (*topics, f"gemelo/telemetry/{device}"):
                await client.publish(topic, json.dumps(body), qos=1)

    asyncio.run(publish())


def test_a_mapping_lets_each_device_write_its_own_topic_and_hear_its_commands(tmp_path: Path) -> None:
    with Gateway(tmp_path, broker=CLOSED, twins="enrol = false") as gateway:
        port = started(gateway)
        first = added(gateway, "plant/a")
        assert not any(topic.startswith("meters/") for topic in first["publish"])
        gateway.apply(METERS)
        rights = tmp_path / "data/broker/rights"
        until(lambda: "topic write meters/a/state" in rights.read_text(), what=rights.read_text)
        second = added(gateway, "plant/b")
        assert (second["publish"][-1], second["subscribe"][-1]) == ("meters/b/state", "meters/b/set")
        passwords = {"plant/a": first["password"], "plant/b": second["password"]}
        topics = ("meters/a/state", "meters/b/state", "meters/a/set")
        for n, (device, password) in enumerate(passwords.items()):
            tell(gateway, device, password, topics, {"power": n, "end": n})
        assert shows(gateway, "plant/a", end="0")["power"]["reported"] == "0"
        assert shows(gateway, "plant/b", end="1")["power"]["reported"] == "1"
        query = "SELECT device, value FROM points WHERE property = 'power' ORDER BY time"
        assert {tuple(row) for row in gateway.rows(query)} == {("a", 0.0), ("b", 1.0)}

        async def asked() -> bytes:
            where = {"username": "plant/a", "password": passwords["plant/a"], "timeout": 5}
            async with asyncio.timeout(10), aiomqtt.Client("127.0.0.1", port, **where) as client:  # type: ignore[arg-type]
                await client.subscribe("meters/+/set", qos=1)
                for device in ("b", "a"):
                    path = f"/api/v1/devices/plant/{device}/desired/lit"
                    await asyncio.to_thread(gateway.ask, "PUT", path, {"value": device})
                message = await anext(client.messages)
                assert message.topic.value == "meters/a/set"
                return bytes(message.payload)

        assert asyncio.run(asked()) == b"a"
        assert gateway.is_calm()


@pytest.mark.skipif(not CLIENT.is_dir(), reason=f"pysparkplug is not in {CLIENT}: see requirements/sparkplug.txt")
def test_a_sparkplug_node_speaks_for_itself_alone(tmp_path: Path) -> None:
    device = "{apiVersion: devices.kubeedge.io/v1beta1, kind: Device, metadata: {name: second, namespace: plant, %s}}"
    with Gateway(tmp_path, broker=CLOSED) as gateway:
        port = started(gateway)
        gateway.apply(PLANT + "---\n" + device % 'annotations: {gemelo.dev/sparkplug: "Line 1/Press B"}')
        by_name, by_note = added(gateway, "plant/line-1.press"), added(gateway, "plant/second")
        assert "spBv1.0/line-1/NBIRTH/press" in by_name["publish"]
        assert "spBv1.0/Line 1/DDATA/Press B/+" in by_note["publish"]
        with edge(port, "line-1", "press", "motor", "plant/line-1.press", by_name["password"]):
            state(gateway, "plant/line-1.press.motor", "online")
        with edge(port, "Line 1", "Press B", "motor", "plant/second", by_note["password"]):
            state(gateway, "plant/second", "online")
            state(gateway, "plant/line-1.press-b.motor", "online")
            state(gateway, "plant/line-1.press.motor", "offline")
        with edge(port, "line-1", "press", "motor", "plant/second", by_note["password"]) as thief:
            state(gateway, "plant/second", "offline")
            thief.do(end=True)
            thief.process.wait(10)
        with edge(port, "Line 1", "Press B", "motor", "plant/second", by_note["password"]):
            state(gateway, "plant/second", "online")  # what the broker had let by before has come too
        assert gateway.ask("GET", "/api/v1/devices/plant/line-1.press.motor")[1]["state"] == "offline"
        assert gateway.is_calm()
