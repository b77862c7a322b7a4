"""Mappings in a whole gateway with its own broker: applied while it runs, kept over a restart, and taken back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.mosquitto import find_mosquitto
from tests.gateway.process import Gateway, environment, until
from tests.gateway.test_reload import metric

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PLANT = """
apiVersion: gemelo.dev/v1alpha1
kind: Mapping
metadata: {name: plant}
spec:
  topic: plant/{device}/%s
  properties: [{name: temperature, path: t, scale: 0.1, type: float, unit: °C}]
"""

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


def say(port: int, *messages: tuple[str, object], retain: bool = False) -> None:
    """Publish as a device does that knows nothing of twins."""

    async def publish() -> None:
        async with aiomqtt.Client("127.0.0.1", port, timeout=5) as client:
            for topic, body in messages:
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                await client.publish(topic, payload, qos=1, retain=retain)

    asyncio.run(publish())


def started(gateway: Gateway) -> int:
    """Start it and wait for its link; the port of its broker."""
    gateway.start()
    until(lambda: metric(gateway.address(), "gemelo_link_connects_total") == 1.0, what=lambda: gateway.output)
    return gateway.broker()


def shows(gateway: Gateway, device: str, **wanted: str) -> dict[str, Any]:
    """Wait until the device's twin reports these."""

    def found() -> dict[str, Any]:
        status, told = gateway.ask("GET", f"/api/v1/devices/{device}")
        properties = {p["name"]: p for p in told["properties"]} if status == 200 else {}
        return properties if all(properties.get(n, {}).get("reported") == v for n, v in wanted.items()) else {}

    return until(found, what=lambda: f"{gateway.ask('GET', '/api/v1/devices')}\n{gateway.output}")


def test_a_mapping_is_applied_and_changed_and_taken_back_while_the_gateway_runs(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        say(port, ("plant/d1/state", {"t": 100}), ("plant/d4/state", {"t": 180}), retain=True)
        assert gateway.apply(PLANT % "state") == ["mapping/default/plant created"]
        shows(gateway, "default/d1", temperature="10")
        say(port, ("plant/d1/state", {"t": 215}))
        found = shows(gateway, "default/d1", temperature="21.5")["temperature"]
        assert (found["unit"], found["kind"]) == ("°C", "float")
        say(port, ("plant/d1/state", {"t": "hot"}))
        gateway.says("telemetry on 'plant/d1/state' is refused: mapping default/plant: temperature: 'hot' is no number")

        assert gateway.apply(PLANT % "other") == ["mapping/default/plant configured"]
        say(port, ("plant/d1/state", {"t": 0}), ("plant/d2/other", {"t": 190}))
        shows(gateway, "default/d2", temperature="19")
        shows(gateway, "default/d1", temperature="21.5")

        gateway.stop()
        port = started(gateway)
        say(port, ("plant/d3/other", {"t": 170}))
        shows(gateway, "default/d3", temperature="17")
        shows(gateway, "default/d4", temperature="18")

        assert gateway.ask("DELETE", "/api/v1/manifests/Mapping/default/plant")[0] in {200, 204}
        say(port, ("plant/d3/other", {"t": 160}), ("gemelo/telemetry/default/d9", {"t": 1}))
        shows(gateway, "default/d9", t="1")
        shows(gateway, "default/d3", temperature="17")
        assert metric(gateway.address(), "gemelo_link_connects_total") == 1.0
        assert gateway.is_calm()


@pytest.mark.parametrize("third", ["plant/#", "plant/+/+/more"])
def test_mappings_that_overlap_hear_each_message_once(tmp_path: Path, third: str) -> None:
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        log = PLANT.replace("plant/{device}/%s", third).replace("properties", "device: log\n  properties")
        crossing = PLANT.replace("plant/{device}/%s", "plant/c/{device}").replace("name: plant", "name: crossing")
        gateway.apply("---".join((PLANT % "state", crossing, log.replace("name: plant", "name: log"))))
        say(port, *(("plant/c/state", {"t": n}) for n in range(10, 20)), ("plant/c/state/more", {"t": 20}))
        for device, last in (("c", "1.9"), ("state", "1.9"), ("log", "2")):
            shows(gateway, f"default/{device}", temperature=last)
        counted = dict(gateway.rows("SELECT device, count(*) FROM points WHERE property = 'temperature' GROUP BY 1"))
        assert counted == {"c": 10, "state": 10, "log": 11 if third == "plant/#" else 1}


def test_the_examples_can_be_applied_together(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        for file in ("zigbee2mqtt.yaml", "tasmota.yaml"):
            gateway.apply((EXAMPLES / file).read_text("utf-8"))
        say(
            port,
            ("zigbee2mqtt/Kitchen Sensor", {"temperature": 21.4, "battery": 97}),
            ("zigbee2mqtt/Kitchen Sensor/availability", {"state": "online"}),
            ("tele/tasmota_1A2B/STATE", {"Time": "2026-11-21T10:00:00", "POWER": "ON"}),
        )
        shows(gateway, "zigbee/kitchen-sensor", temperature="21.4", battery="97")
        shows(gateway, "tasmota/tasmota-1a2b", relay="true")
        until(lambda: gateway.ask("GET", "/api/v1/devices/zigbee/kitchen-sensor")[1]["state"] == "online")


def test_what_is_desired_is_published_as_the_device_wants_it(tmp_path: Path) -> None:
    async def told(port: int, ask: Callable[[], object]) -> tuple[str, bytes]:
        async with asyncio.timeout(10), aiomqtt.Client("127.0.0.1", port, timeout=5) as client:
            await client.subscribe("zigbee2mqtt/+/set", qos=1)
            await asyncio.to_thread(ask)
            message = await anext(client.messages)
            return message.topic.value, bytes(message.payload)

    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        gateway.apply((EXAMPLES / "zigbee2mqtt.yaml").read_text("utf-8"))
        say(port, ("zigbee2mqtt/Desk Lamp", {"state": "OFF"}))
        shows(gateway, "zigbee/desk-lamp", state="false")
        ask = partial(gateway.ask, "PUT", "/api/v1/devices/zigbee/desk-lamp/desired/state", {"value": "true"})
        assert asyncio.run(told(port, ask)) == ("zigbee2mqtt/Desk Lamp/set", b"ON")


def test_a_mapping_can_be_tried_without_a_gateway(tmp_path: Path) -> None:
    def tried(*words: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "gateway", "mapping", "test", "-f", str(EXAMPLES / "zigbee2mqtt.yaml"), *words]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=30)
        return done.returncode, done.stdout, done.stderr

    code, said, _ = tried("--topic", "zigbee2mqtt/Hall", "--payload", '{"temperature": 21.4, "linkquality": 87}')
    assert (code, said.splitlines()[1:]) == (0, ["  temperature = 21.4 °C", "  linkquality = 87"])
    (tmp_path / "body").write_bytes(b'{"state": "OFF"}')
    code, said, _ = tried("--topic", "zigbee2mqtt/Hall", "--payload-file", str(tmp_path / "body"), "-o", "json")
    assert (code, json.loads(said)[0]["reported"]) == (0, {"state": "false"})
    code, _, told = tried("--topic", "zigbee2mqtt/Hall", "--payload", '{"battery": "low"}')
    assert (code, "battery: 'low' is no number" in told) == (1, True)
    code, _, told = tried("--topic", "elsewhere", "--payload", "1")
    assert (code, told) == (1, "nothing would be reported; heard is zigbee2mqtt/+, zigbee2mqtt/+/availability\n")


def test_devices_that_tell_home_assistant_of_themselves_are_discovered(tmp_path: Path) -> None:
    device = {"identifiers": ["0x00158d"], "name": "Plug"}
    power = {"state_topic": "z/Plug", "value_template": "{{ value_json.power }}", "unit_of_measurement": "W"}
    switch = {"state_topic": "z/Plug", "value_template": "{{ value_json.state }}", "command_topic": "z/Plug/set"}
    link = {"availability": [{"topic": "z/Plug/availability", "value_template": "{{ value_json.state }}"}]}
    with Gateway(tmp_path, twins="enrol = false") as gateway:
        port = started(gateway)
        configs = {"sensor/0x00158d/power": power | link, "switch/0x00158d/switch": switch | link}
        for name, config in configs.items():
            say(port, (f"homeassistant/{name}/config", config | {"device": device}), retain=True)
        gateway.apply((EXAMPLES / "homeassistant.yaml").read_text("utf-8"))
        mappings = until(lambda: m if len(m := gateway.ask("GET", "/api/v1/manifests/Mapping")[1]) == 2 else None)
        until(lambda: {"power", "switch"} <= set(gateway.device("0x00158d").get("properties", {})))
        assert {m["metadata"]["labels"]["gemelo.dev/discovered"] for m in mappings} == {"homeassistant"}
        say(port, ("z/Plug", {"power": 38.4, "state": "ON"}), ("z/Plug/availability", {"state": "online"}))
        found = shows(gateway, "default/0x00158d", power="38.4", switch="true")
        assert (found["power"]["unit"], found["power"]["writable"], found["switch"]["writable"]) == ("W", False, True)
        until(lambda: gateway.device("0x00158d")["state"] == "online")
        say(port, ("homeassistant/sensor/0x00158d/power/config", b""), retain=True)
        until(lambda: "power" not in json.dumps(gateway.ask("GET", "/api/v1/manifests/Mapping")[1]))
        assert gateway.is_calm()
