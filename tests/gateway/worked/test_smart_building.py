"""The worked set of the smart building in a whole gateway: stale air reaches the fan, and a deaf fan the window."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiomqtt

from tests.gateway.process import ROOT, Gateway, until

FOLDER = ROOT / "docs" / "examples" / "smart-building"


def quick() -> str:
    """The manifests, with moments for the minute of stale air and the half minute of silence."""
    files = [each for each in sorted(FOLDER.glob("*.yaml")) if not each.name.endswith(".test.yaml")]
    text = "\n---\n".join(each.read_text("utf-8") for each in files)
    assert "when: co2 > 900.0, for: 1m}" in text
    assert "within: 30s\n" in text
    return text.replace("when: co2 > 900.0, for: 1m}", "when: co2 > 900.0, for: 50ms}").replace("30s\n", "500ms\n")


async def test_stale_air_speeds_up_the_fan_and_a_fan_that_does_not_answer_opens_the_window(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(gateway.apply, quick())
        async with aiomqtt.Client("127.0.0.1", gateway.broker(), identifier="room") as client:
            await client.subscribe("building/+/set/+", qos=1)
            for actuator in ("fan-1/state/speed", "fan-2/state/speed", "window-1/state/open", "window-2/state/open"):
                await client.publish(f"building/{actuator}", "0", qos=1)
            await asyncio.to_thread(until, lambda: gateway.reported("window-2", "open"))
            for room in ("room-1", "room-2"):
                await client.publish(f"building/{room}/sensor", '{"co2": 950, "occupied": true}', qos=1)
            said: list[tuple[str, str]] = []
            async with asyncio.timeout(20):
                async for message in client.messages:
                    said.append((message.topic.value, bytes(message.payload).decode()))
                    if said[-1] == ("building/fan-2/set/speed", "80"):
                        await client.publish("building/fan-2/state/speed", "80", qos=1)
                    if said[-1] == ("building/window-1/set/open", "true"):
                        break
            assert said.index(("building/fan-1/set/speed", "80")) < len(said) - 1
            await asyncio.to_thread(until, lambda: gateway.reported("fan-2", "speed") == "80")
            told = gateway.rows("SELECT object, message FROM events WHERE object = 'default/room-1' AND kind = 'alert'")
            assert told[0] == ["default/room-1", "the fan of default/room-1 does not answer: 950 ppm, window open"]
            assert gateway.is_calm()
