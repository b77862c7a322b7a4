"""The worked set of a shop in a whole gateway: counts become a heat map in SQL and dwell, and a queue opens a till."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import aiomqtt

from tests.gateway.process import ROOT, Gateway, until

FOLDER = ROOT / "docs" / "examples" / "retail"
QUARTER = 900
PEOPLE = (0, 2, 4, 1)
"""Who is in the zone in four quarters of an hour."""


def quick() -> str:
    """The manifests, with a moment for the two minutes of a long queue."""
    files = [each for each in sorted(FOLDER.glob("*.yaml")) if not each.name.endswith(".test.yaml")]
    text = "\n---\n".join(each.read_text("utf-8") for each in files)
    assert text.count("  for: 2m\n") == 1
    return text.replace("  for: 2m\n", "  for: 50ms\n")


def afternoon() -> list[str]:
    """A count a minute, with one who comes in, and one more that ends the last quarter."""
    start = (int(time.time()) // QUARTER - len(PEOPLE) - 1) * QUARTER
    told = [(start + at, PEOPLE[at // QUARTER]) for at in range(0, QUARTER * len(PEOPLE), 60)]
    told.append((start + QUARTER * len(PEOPLE) + 600, 0))
    return [json.dumps({"people": people, "entered": 1, "at": at}) for at, people in told]


async def test_counts_become_a_heat_map_and_a_long_queue_opens_a_till(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(gateway.apply, quick())
        async with aiomqtt.Client("127.0.0.1", gateway.broker(), identifier="shop") as client:
            await client.subscribe("shop/till-2/set/open", qos=1)
            await client.publish("shop/till-2/state/open", "false", qos=1)
            await asyncio.to_thread(until, lambda: gateway.reported("till-2", "open"))
            for body in afternoon():
                await client.publish("shop/zone-milk/count", body, qos=1)
            await client.publish("shop/zone-queue-1/count", '{"people": 7, "entered": 7}', qos=1)
            async with asyncio.timeout(20):
                message = await anext(aiter(client.messages))
                assert bytes(message.payload) == b"true"
            sql = (FOLDER / "heatmap.sql").read_text("utf-8")
            expected = ["zone-milk", " =@:", 105, 60, 105]
            await asyncio.to_thread(until, lambda: expected in gateway.rows(sql), 15.0, lambda: str(gateway.rows(sql)))
            told = [message for (message,) in gateway.rows("SELECT message FROM events WHERE kind = 'alarm'")]
            assert told == ["7 wait at till 1"]
            assert gateway.is_calm()
