"""Sparkplug in a whole gateway: a node by another make's client, through the gateway's own mosquitto."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.mosquitto import find_mosquitto
from tests.gateway.process import ROOT, Gateway, environment, until
from tests.gateway.test_mapping import say, shows, started
from tests.gateway.test_reload import metric
from tests.mosquitto import Mosquitto

CLIENT = Path(sys.prefix) / "sparkplug"
PLANT = """
apiVersion: gemelo.dev/v1alpha1
kind: Sparkplug
metadata: {name: plant}
spec: {namespace: plant}
"""
MOTOR = "plant/line-1.press-a.motor"
PRESS = "plant/line-1.press-a"

pytestmark = [
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    pytest.mark.skipif(not CLIENT.is_dir(), reason=f"pysparkplug is not in {CLIENT}: see requirements/sparkplug.txt"),
]


class Edge:
    """The node of `edge.py`, and what it was told."""

    def __init__(self, port: int, *words: str) -> None:
        command = [sys.executable, str(ROOT / "tests/devices/sparkplug/edge.py"), str(port), *words]
        path = environment(PYTHONPATH=str(CLIENT))
        self.process = subprocess.Popen(command, env=path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.told += map(json.loads, self.process.stdout)

    def do(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def hears(self, topic: str) -> dict[str, Any]:
        """Wait until a command comes on the topic."""
        return until(lambda: next((t for t in self.told if t["topic"] == topic), None), what=lambda: str(self.told))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(5)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def edge(port: int, *words: str) -> Iterator[Edge]:
    made = Edge(port, *(words or ("Line 1", "Press A", "Motor")))
    try:
        yield made
    finally:
        made.close()


def state(gateway: Gateway, device: str, wanted: str) -> str:
    def look() -> dict[str, Any] | None:
        found = gateway.ask("GET", f"/api/v1/devices/{device}")[1]
        return found if found.get("state") == wanted else None

    return str(until(look, what=lambda: f"{gateway.ask('GET', '/api/v1/devices')}\n{gateway.output}")["reason"])


def host(port: int) -> object:
    """What is kept of us where nodes look for their primary host."""

    async def kept() -> object:
        async with asyncio.timeout(5), aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("spBv1.0/STATE/edge-1", qos=1)
            return json.loads(bytes((await anext(client.messages)).payload))["online"]

    return asyncio.run(kept())


def counted(gateway: Gateway, name: str) -> float:
    return metric(gateway.address(), f"gemelo_sparkplug_{name}_total")


def test_a_node_and_its_device_are_born_report_are_asked_and_die(tmp_path: Path) -> None:
    with Gateway(tmp_path, twins="enrol = false") as gateway:
        port = started(gateway)
        gateway.apply(PLANT)
        with edge(port) as press:
            shows(gateway, PRESS, **{"Temp °C": "21.4"})
            born = shows(gateway, MOTOR, **{"Inputs/Speed": "-7", "Total": str(2**64 - 1), "Note": "grüß"})
            assert {n: p["kind"] for n, p in born.items()} == {
                "Inputs/Speed": "int",
                "Outputs/Run": "boolean",
                "Outputs/Level": "double",
                "Total": "double",
                "Note": "string",
                "Nothing": "int",
            }
            assert state(gateway, MOTOR, "online") == ""
            press.do(device=[["Inputs/Speed", 1, "INT16", 1200, {}], ["Outputs/Level", None, "DOUBLE", 0.75, {}]])
            shows(gateway, MOTOR, **{"Inputs/Speed": "1200", "Outputs/Level": "0.75"})

            path = f"/api/v1/devices/{MOTOR}/desired"
            assert gateway.ask("PUT", f"{path}/Outputs%2FRun", {"value": "true"})[0] == 200
            told = press.hears("spBv1.0/Line 1/DCMD/Press A/Motor")
            assert told["metrics"] == [[None, 2, "BOOLEAN", True]]
            status, refusal = gateway.ask("PUT", f"{path}/Inputs%2FSpeed", {"value": "40000"})
            assert (status, "above the maximum 32767" in json.dumps(refusal)) == (400, True)

            press.process.kill()
            reason = "its node ended, or lost its connection (NDEATH)"
            assert state(gateway, MOTOR, "offline") == reason
            assert state(gateway, PRESS, "offline") == reason
        with edge(port) as press:
            state(gateway, MOTOR, "online")
            again = press.hears("spBv1.0/Line 1/DCMD/Press A/Motor")
            assert again["metrics"] == [[None, 2, "BOOLEAN", True]]  # it is still wanted
            press.do(end=True)
            state(gateway, MOTOR, "offline")
        assert gateway.is_calm()


def test_a_gap_asks_the_node_for_its_birth_and_so_does_a_gateway_that_starts_anew(tmp_path: Path) -> None:
    rebirth = [["Node Control/Rebirth", None, "BOOLEAN", True]]
    with Mosquitto(tmp_path / "broker") as broker:
        own = f'url = "mqtt://127.0.0.1:{broker.port}"\nsparkplug_host = "edge-1"'
        with Gateway(tmp_path, broker=own) as gateway, edge(broker.port) as press:
            gateway.start().apply(PLANT)
            press.do(rebirth=True)  # it was there before us
            shows(gateway, MOTOR, **{"Inputs/Speed": "-7"})
            press.do(skip=1, device=[["Inputs/Speed", 1, "INT16", 5, {}]])
            assert press.hears("spBv1.0/Line 1/NCMD/Press A")["metrics"] == rebirth
            until(lambda: counted(gateway, "births") >= 4)
            press.do(device=[["Inputs/Speed", 1, "INT16", 6, {}]])
            shows(gateway, MOTOR, **{"Inputs/Speed": "6"})
            assert [counted(gateway, name) for name in ("gaps", "unborn", "data")] == [1.0, 1.0, 1.0]

            press.told.clear()
            assert host(broker.port) is True
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            until(lambda: host(broker.port) is False)
            gateway.start()
            until(lambda: host(broker.port) is True)  # it listens: what comes before, at QoS 0, is gone
            press.do(device=[["Inputs/Speed", 1, "INT16", 7, {}]])
            assert press.hears("spBv1.0/Line 1/NCMD/Press A")["metrics"] == rebirth
            until(lambda: counted(gateway, "births") >= 2)
            press.do(device=[["Inputs/Speed", 1, "INT16", 8, {}]])
            shows(gateway, MOTOR, **{"Inputs/Speed": "8"})

            press.told.clear()
            gateway.stop()
            gateway.start()
            path = f"/api/v1/devices/{MOTOR}/desired/Outputs%2FLevel"
            assert gateway.ask("PUT", path, {"value": "0.25"})[0] == 200
            assert press.hears("spBv1.0/Line 1/NCMD/Press A")["metrics"] == rebirth
            told = press.hears("spBv1.0/Line 1/DCMD/Press A/Motor")
            assert told["metrics"] == [["Outputs/Level", None, "DOUBLE", 0.25]]
            assert gateway.is_calm()


def test_values_of_the_past_are_history_and_change_no_twin(tmp_path: Path) -> None:
    now = 1_000_000
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        gateway.apply(PLANT)
        with edge(port) as press:
            shows(gateway, MOTOR, **{"Inputs/Speed": "-7"})
            old = [["Inputs/Speed", 1, "INT16", n, {"is_historical": True, "at": now + n}] for n in (1, 2)]
            press.do(device=old)
            press.do(device=[["Outputs/Level", None, "DOUBLE", 0.9, {}]])
            found = shows(gateway, MOTOR, **{"Outputs/Level": "0.9"})
            assert found["Inputs/Speed"]["reported"] == "-7"
            query = (
                "SELECT value FROM points WHERE property = 'Inputs/Speed' AND time < TIMESTAMP '1970-01-02' ORDER BY 1"
            )
            until(lambda: gateway.rows(query) == [[1.0], [2.0]])  # the page may be some milliseconds ahead of the disk


def test_a_device_of_another_origin_is_not_touched(tmp_path: Path) -> None:
    theirs = (
        "{apiVersion: devices.kubeedge.io/v1beta1, kind: Device, metadata: {name: line-1.press-a, namespace: plant%s}}"
    )
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        gateway.apply(theirs % "")
        say(port, ("gemelo/telemetry/plant/line-1.press-a.motor", {"Note": "mine"}))
        shows(gateway, MOTOR, Note="mine")
        gateway.apply(PLANT)
        with edge(port) as press:
            gateway.says("the device plant/line-1.press-a is another's")
            gateway.says("the device plant/line-1.press-a.motor is another's")
            press.do(device=[["Note", None, "STRING", "stolen", {}]])
            until(lambda: counted(gateway, "unborn"))
            assert shows(gateway, MOTOR, Note="mine").keys() == {"Note"}
        gateway.apply(theirs % ", annotations: {gemelo.dev/sparkplug: Line 1/Press A}")
        with edge(port):
            shows(gateway, PRESS, **{"Temp °C": "21.4"})
        assert gateway.is_calm()


def test_what_is_no_sparkplug_is_refused_and_hurts_nobody_else(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        gateway.apply(PLANT)
        with edge(port) as press:
            shows(gateway, MOTOR, **{"Inputs/Speed": "-7"})
            bad = {
                "cut": b"\x12\xff\xff",
                "json": b"{}",
                "large": bytes(300_000),
                "late": b"\x18\x80\x02",
                "empty": b"",
            }
            for verb in ("NBIRTH", "NDATA", "NDEATH"):
                say(port, *((f"spBv1.0/Line 1/{verb}/{name}", body) for name, body in bad.items()))
            for topic in ("spBv1.0/Line 1/NBIRTH/---", "spBv1.0/L/NBOOM/N", "spBv1.0/STATE/h", "spBv1.0//DDATA//"):
                say(port, (topic, b"\x18\x00"))
            for name, reason in (
                ("NBIRTH/cut", "no Sparkplug payload: the body is cut short"),
                ("NDATA/json", "no Sparkplug payload: the body is cut short"),
                ("NDEATH/large", "the body has 300000 bytes, more than the 262144 allowed"),
                ("NBIRTH/late", "seq is 256: 0 to 255 is meant"),
                ("NBIRTH/empty", "seq is None: 0 to 255 is meant"),
                ("NBIRTH/---", "'---' has no letter or digit to name a device by"),
            ):
                gateway.says(f"telemetry on 'spBv1.0/Line 1/{name}' is refused: {reason}")
            press.do(device=[["Inputs/Speed", 1, "INT16", 8, {}]])
            shows(gateway, MOTOR, **{"Inputs/Speed": "8"})
        assert gateway.is_calm()
