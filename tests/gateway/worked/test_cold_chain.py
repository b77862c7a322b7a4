"""The worked set of the cold chain in a whole gateway, whose cloud is a real broker that goes away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.cloud.mqtt.heaven import Heaven, heaven
from tests.gateway.process import ROOT, Gateway, Sensor, until
from tests.mosquitto import Mosquitto

MANIFEST = ROOT / "docs" / "examples" / "cold-chain" / "alarms.yaml"


def manifest() -> str:
    """That of the set, with half a second for a minute."""
    text = MANIFEST.read_text("utf-8")
    assert "for: 1m\n" in text
    return text.replace("for: 1m\n", "for: 500ms\n")


async def test_goods_that_spoil_while_the_cloud_is_away_are_told_here_at_once_and_there_when_it_is_back(
    tmp_path: Path,
) -> None:
    with Mosquitto(tmp_path / "cloud") as broker:
        section = f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{broker.port}"\nevents = true'
        async with heaven(broker.port) as far:
            with Gateway(tmp_path, cloud=section) as gateway:
                await asyncio.to_thread(gateway.start)
                gateway.apply(manifest())
                async with Sensor(gateway.broker(), "reefer-1") as reefer:
                    await reefer.tell(temperature="-18.0", door="false", defrost="false")
                    await far.until(lambda: far.reported("default/reefer-1").get("temperature") == "-18.0")
                    broker.stop()
                    for temperature in ("-14", "-12.5", "-10", "-9.5"):
                        await reefer.tell(temperature=temperature)
                    here = await asyncio.to_thread(until, lambda: standing(gateway, "Active"))
                    assert here["message"].startswith("default/reefer-1 has -")
                    await reefer.tell(temperature="-16")
                    await asyncio.to_thread(until, lambda: standing(gateway, "Latched"))
                    assert alarms(far) == [], "the cloud knows nothing yet"
                back = time.time_ns() // 1000
                broker.start()
                raised, cleared = (await far.until(lambda: alarms(far) if len(alarms(far)) > 1 else [], 30))[:2]
                assert (raised["detail"]["what"], cleared["detail"]["what"]) == ("raised", "cleared")
                assert raised["at"] <= cleared["at"] < back, "told with the time at which it was"
                await far.until(lambda: far.reported("default/reefer-1").get("temperature") == "-16")
                query = "SELECT value FROM points WHERE device = 'reefer-1' AND property = 'temperature' ORDER BY time"
                assert [value for (value,) in gateway.rows(query)] == [-18, -14, -12.5, -10, -9.5, -16]
                assert gateway.is_calm()


def standing(gateway: Gateway, state: str) -> dict[str, Any]:
    """The alarm of the spoiling goods, once it is in a state."""
    found = gateway.ask("GET", "/api/v1/alarms")[1]
    return next((a for a in found if "spoiling" in str(a) and a["state"] == state), {})


def alarms(far: Heaven) -> list[dict[str, Any]]:
    """What the cloud was told of alarms; what came twice is one."""
    told = {event["id"]: event["data"] for topic, event, _ in far.heard if topic == "gemelo/edge-1/events"}
    return [data for data in told.values() if data["kind"] == "alarm"]
