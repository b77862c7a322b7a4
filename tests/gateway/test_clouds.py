"""What `[cloud]` says holds for each kind of cloud."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cloud.mqtt.heaven import heaven
from tests.gateway.process import Gateway, Sensor
from tests.mosquitto import Mosquitto


@pytest.mark.parametrize(
    "section",
    ['kind = "mqtt"\nurl = "mqtt://{}"', 'kind = "cloudcore"\nurl = "wss://{0}"\nregister_url = "https://{0}"'],
)
async def test_attempts_to_connect_are_no_further_apart_than_the_backoff(tmp_path: Path, section: str) -> None:
    """Ten of them in five seconds; without the key it would be three."""
    attempts = asyncio.Semaphore(0)

    async def slam(_: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        attempts.release()
        back.transport.abort()

    (tmp_path / "token").write_text("0" * 64 + ".a.b.c")
    async with await asyncio.start_server(slam, "127.0.0.1", 0) as far:
        address = f"127.0.0.1:{far.sockets[0].getsockname()[1]}"
        cloud = f'{section.format(address)}\ntoken_file = "token"\nbackoff = 0.1'
        with Gateway(tmp_path, cloud=cloud) as gateway:
            await asyncio.to_thread(gateway.start)
            async with asyncio.timeout(5.0):
                for _ in range(10):
                    await attempts.acquire()


async def test_so_many_messages_leave_at_once(tmp_path: Path) -> None:
    """With one message in ten seconds, twenty devices would otherwise take minutes."""
    with Mosquitto(tmp_path / "cloud") as broker:
        cloud = f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{broker.port}"\nrate = 0.1\nburst = 60'
        async with heaven(broker.port) as far:
            with Gateway(tmp_path, cloud=cloud) as gateway:
                await asyncio.to_thread(gateway.start)
                for n in range(20):
                    async with Sensor(gateway.broker(), f"d{n}") as sensor:
                        await sensor.tell(t="1")
                await far.until(lambda: len(far.twins) == 20)
