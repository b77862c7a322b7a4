"""The worked set of traffic flow in a whole gateway: counts become green, and a standstill a sign."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiomqtt

from tests.gateway.process import ROOT, Gateway, until

FOLDER = ROOT / "docs" / "examples" / "traffic-flow"
COUNTS = {"north": (30, 0.4), "south": (12, 0.2), "east": (10, 0.2), "west": (0, 0.95)}


def quick() -> str:
    """The manifests, with moments for a cycle, the minute of standstill and the time that a controller has."""
    files = [each for each in sorted(FOLDER.glob("*.yaml")) if not each.name.endswith(".test.yaml")]
    text = "\n---\n".join(each.read_text("utf-8") for each in files)
    assert text.count("after: 90s") == 2
    assert text.count("  for: 1m\n") == text.count("within: 20s\n") == 1
    text = text.replace("after: 90s", "after: 1s").replace("  for: 1m\n", "  for: 50ms\n")
    return text.replace("within: 20s\n", "within: 500ms\n")


async def test_counts_become_green_a_standstill_a_sign_and_a_controller_that_is_deaf_gets_its_fixed_plan(
    tmp_path: Path,
) -> None:
    with Gateway(tmp_path) as gateway:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(gateway.apply, quick())
        async with aiomqtt.Client("127.0.0.1", gateway.broker(), identifier="junction") as client:
            await client.subscribe("signals/j7/set/+", qos=1)
            for name in ("sign", "plan", "green"):
                await client.publish(f"signals/j7/state/{name}", "0", qos=1)
            await asyncio.to_thread(until, lambda: gateway.reported("signal-j7", "green"))
            for approach, (vehicles, occupancy) in COUNTS.items():
                body = json.dumps({"vehicles": vehicles, "occupancy": occupancy})
                await client.publish(f"traffic/j7/{approach}", body, qos=1)
            said: dict[str, str] = {}
            async with asyncio.timeout(20):
                async for message in client.messages:
                    said[message.topic.value.rpartition("/")[2]] = bytes(message.payload).decode()
                    if len(said) == 3:
                        break
            assert said == {"green": "60", "sign": "STAU", "plan": "fixed"}
            told = {message for (message,) in gateway.rows("SELECT message FROM events")}
            assert "the signal of j7 took no green: fixed plan for an hour" in told
            assert "nothing moves at default/approach-j7-west, occupied 0.95" in told
            assert gateway.is_calm()
