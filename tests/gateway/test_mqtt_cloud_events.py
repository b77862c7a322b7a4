"""Events and decisions on their way to a broker, with the gateway and the broker killed on either side of them."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import aiomqtt

from tests.cloud.mqtt.edge import kill, until
from tests.cloud.mqtt.heaven import Heaven, heaven
from tests.gateway.process import Gateway, Sensor, invoke
from tests.gateway.process import until as until_said
from tests.gateway.stage import rule
from tests.mosquitto import Mosquitto

TURNS = {
    "A": {"onInput": {"transitions": [{"to": "B", "when": "t > 30.0"}]}},
    "B": {"onInput": {"transitions": [{"to": "A", "when": "t <= 30.0"}]}},
}


class Device:
    """Reports a value that the rule answers with one decision, again and again; counts what was acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self.acknowledged = 0
        self._gateway = gateway

    async def reported(self, count: int) -> None:
        """So many more were acknowledged."""
        before = self.acknowledged
        await until(lambda: self.acknowledged >= before + count, 20.0)

    async def run(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError, TimeoutError, AssertionError):
                async with Sensor(await asyncio.to_thread(self._gateway.broker), "d1") as sensor:
                    while True:
                        value = "100" if self.acknowledged % 2 == 0 else "0"
                        async with asyncio.timeout(1.0):
                            await sensor.tell(t=value)  # the same again changes nothing, so no rule hears of it
                        self.acknowledged += 1
            await asyncio.sleep(0.05)


async def test_after_kills_on_both_sides_no_decision_is_missing_none_is_there_twice_and_all_are_in_order(
    tmp_path: Path,
) -> None:
    chance = random.Random(11)
    (tmp_path / "rule.json").write_text(json.dumps(rule(states=TURNS)))
    with Mosquitto(tmp_path / "cloud", "max_queued_messages 100000") as broker:
        section = f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{broker.port}"\nevents = true\n'
        paths = 'paths = ["rule.json"]'
        async with heaven(broker.port) as far:
            with Gateway(tmp_path, cloud=section, manifests=paths) as gateway:
                await asyncio.to_thread(gateway.start)
                device = Device(gateway)
                async with asyncio.TaskGroup() as group:
                    reporting = group.create_task(device.run())
                    for killed in ("gateway", "broker", "both"):
                        await device.reported(6)
                        await asyncio.sleep(chance.uniform(0.0, 0.2))
                        if killed != "gateway":
                            kill(broker)
                            await device.reported(6)  # what waits at the edge now is on disk alone, or nowhere
                        if killed != "broker":
                            gateway.signal(signal.SIGKILL)
                            gateway.wait()
                            await asyncio.to_thread(gateway.start)
                        if killed != "gateway":
                            broker.start()
                    reporting.cancel()
                told = await far.until(lambda: _steps(far, device.acknowledged))
                assert all(a != b for a, b in pairwise(told)), "in order"
                assert len(told) <= device.acknowledged + 1, "one may be committed and not acknowledged"
                assert gateway.is_calm()
                shown = await asyncio.to_thread(_status, gateway)
                assert "events: 0 wait (0 bytes)" in shown
        assert _outbox(tmp_path) == []


def _steps(far: Heaven, least: int) -> list[str]:
    """States entered, of each event once as its source and id tell; empty while there are fewer."""
    known: dict[tuple[str, str], str] = {}
    for topic, event, _ in far.heard:
        if topic == "gemelo/edge-1/decisions":
            known.setdefault((event["source"], event["id"]), event["data"]["after"])
    return list(known.values()) if len(known) >= least else []


def _status(gateway: Gateway) -> str:
    def shown() -> str:
        found = invoke("cloud", "status", "--url", gateway.url).stdout
        return found if "0 wait" in found else ""

    return until_said(shown)


def _outbox(folder: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(folder / "data" / "state.db")) as found:
        return list(found.execute("SELECT key FROM outbox"))
