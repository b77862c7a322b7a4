"""Liveness of a whole gateway with real brokers: last wills, a broker that is away, a restart."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.process import Sensor, until
from tests.gateway.service import ROOT, Process
from tests.mosquitto import Mosquitto

WILL = '{"state":"offline","reason":"its last will: connection lost"}'
TWINS = "[twins]\nenrol = true\ninterval = 1.0\nunknown_after = {}\noffline_after = {}\n"


def device(gateway: Process, name: str) -> dict[str, Any]:
    found = {d["id"]: d for d in gateway.get("/api/v1/devices")}
    return found.get(f"default/{name}", {"state": "", "reason": ""})


def states(gateway: Process) -> list[str]:
    return [d["state"] for d in gateway.get("/api/v1/devices")]


def state(gateway: Process, name: str, wanted: str, deadline: float = 15.0) -> str:
    """Wait until the device is in that state; the reason."""
    until(lambda: device(gateway, name)["state"] == wanted, deadline, lambda: device(gateway, name))
    return str(device(gateway, name)["reason"])


@contextmanager
def killed(*command: str) -> Iterator[None]:
    """A client of the broker, which ends by SIGKILL: it says no goodbye."""
    path = os.environ | {"PYTHONPATH": str(ROOT)}
    client = subprocess.Popen(command, env=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert client.stdout is not None
    try:
        assert client.stdout.readline(), "it says when it is there"
        yield
    finally:
        client.kill()
        client.wait(5)
        client.stdout.close()


def mosquitto_client(port: int, name: str) -> list[str]:
    """`mosquitto_sub` with a last will, which prints a retained word once it is there."""
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto-clients are not installed")
    place = ["-h", "127.0.0.1", "-p", str(port), "-t", "hello"]
    subprocess.run(["mosquitto_pub", *place, "-r", "-m", "hello"], check=True, timeout=5)
    will = ["--will-topic", f"$hw/events/device/default/{name}/state/update", "--will-payload", WILL]
    return ["mosquitto_sub", *place, *will, "--will-qos", "1"]


@contextmanager
def serving(folder: Path, twins: str) -> Iterator[tuple[Mosquitto, Process]]:
    """A broker, and a gateway that uses it."""
    with Mosquitto(folder / "broker") as broker:
        url = f'url = "mqtt://127.0.0.1:{broker.port}"'
        with Process(folder / "gateway", twins, broker=url).start() as gateway:
            gateway.ready()
            yield broker, gateway


async def test_a_device_that_is_killed_is_offline_by_its_last_will_and_stays_so_over_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path, TWINS.format(100, 200)) as (broker, gateway):
        async with Sensor(broker.port, "pump-1") as pump:
            with killed(*mosquitto_client(broker.port, "pump-1")):
                await pump.tell(flow="1")
                assert state(gateway, "pump-1", "online") == ""
            assert state(gateway, "pump-1", "offline") == "its last will: connection lost"
            events = "SELECT message FROM events WHERE kind = 'device'"
            told = [["default/pump-1 is offline: its last will: connection lost"]]
            until(lambda: gateway.sql(events) == told, 5, lambda: gateway.sql(events))
            gateway.kill()
            gateway.start().ready()
            assert device(gateway, "pump-1")["reason"] == "its last will: connection lost"
            await pump.tell(flow="3")
            assert state(gateway, "pump-1", "online") == ""
        history = "SELECT text FROM points WHERE property = '$state' ORDER BY time"
        assert gateway.sql(history) == [["online"], ["offline"], ["online"]]


def test_the_simulators_devices_have_a_last_will(tmp_path: Path) -> None:
    with serving(tmp_path, TWINS.format(100, 200)) as (broker, gateway):
        with killed(sys.executable, "-m", "simulator", "fleet", "--port", str(broker.port), "--devices", "4"):
            until(lambda: states(gateway) == ["online"] * 4, 15, lambda: states(gateway))
        until(lambda: states(gateway) == ["offline"] * 4, 15, lambda: states(gateway))
        reasons = {d["reason"] for d in gateway.get("/api/v1/devices")}
        assert reasons == {"its last will: the connection was lost"}
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}/metrics", timeout=5) as answer:
            figures = re.findall(r"^gemelo_devices_(\w+) (\S+)$", answer.read().decode(), re.MULTILINE)
        assert dict(figures) == {"online": "0.0", "unknown": "0.0", "offline": "4.0"}


async def test_while_the_broker_is_away_nobody_is_offline_and_after_it_the_silent_are(tmp_path: Path) -> None:
    with serving(tmp_path, TWINS.format(1, 2)) as (broker, gateway):
        async with Sensor(broker.port, "pump-1") as pump:
            await pump.tell(flow="1")
            broker.stop()
            assert state(gateway, "pump-1", "unknown") == "the broker is away"
            assert gateway.sql("SELECT message FROM events WHERE kind = 'device'") == []
        broker.start()
        assert state(gateway, "pump-1", "offline").startswith("not heard in the ")
        async with Sensor(broker.port, "pump-1") as pump:
            await pump.tell(flow="2")
        state(gateway, "pump-1", "online")
