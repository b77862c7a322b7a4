"""Devices that report over MQTT, repeat until they are answered, and do what they are asked; a ledger keeps it all."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import aiomqtt

from tests.cloud.ledger import Ledger

PATIENCE = 0.5
"""Seconds after which a message that was not answered is sent again."""
PAUSE = 0.1
"""Between two reports of a device."""
_TOPIC = "$hw/events/device/{}/twin/update"


class Field:
    """`run` until `stop`, which begins nothing new and returns when everything is answered."""

    def __init__(self, port: int, devices: list[str], ledger: Ledger) -> None:
        self._port = port
        self._devices = devices
        self._ledger = ledger
        self._client: aiomqtt.Client | None = None
        self._online = asyncio.Event()
        self._resting = asyncio.Event()
        self._answers: dict[str, asyncio.Future[None]] = {}
        self._does: dict[str, int] = {}
        self._count = 0
        self._busy = 0
        self.idle = asyncio.Event()
        """Nobody waits for an answer."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link())
            for device in self._devices:
                group.create_task(self._device(device))

    def go(self) -> None:
        """Report on."""
        self._resting.clear()

    async def rest(self) -> None:
        """Begin nothing new, but do what is asked; returns when everything is answered."""
        self._resting.set()
        await self.idle.wait()

    async def _link(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self._port, identifier="field", clean_session=False) as client:
                    for what in ("result", "delta"):
                        await client.subscribe(f"{_TOPIC.format('+/+')}/{what}", qos=1)
                    self._client = client
                    self._online.set()
                    async for message in client.messages:
                        self._hear(str(message.topic), json.loads(bytes(message.payload)))
            self._online.clear()
            await asyncio.sleep(0.05)

    def _hear(self, topic: str, body: dict[str, Any]) -> None:
        if topic.endswith("/result"):
            answer = self._answers.get(body["event_id"])
            if answer is not None and not answer.done():
                assert not body.get("code"), body
                answer.set_result(None)
            return
        device = "/".join(topic.split("/")[3:5])
        asked = body["twin"].get("target", {}).get("expected", {}).get("value")
        if asked:
            self._ledger.heard[device].append(int(asked))
            self._does[device] = int(asked)

    async def _device(self, device: str) -> None:
        said = 0
        while True:
            if self._does.get(device, 0) != said:
                said = self._does[device]
                await self._update(device, "target", said)
            elif not self._resting.is_set():
                self._ledger.sent[device] += 1
                await self._update(device, "n", self._ledger.sent[device])
                self._ledger.answered[device] += 1
            await asyncio.sleep(PAUSE)

    async def _update(self, device: str, name: str, number: int) -> None:
        self._count += 1
        self._busy += 1
        self.idle.clear()
        event = f"{device}:{self._count}"
        twin = {name: {"actual": {"value": str(number)}, "metadata": {"type": "int"}}}
        body = json.dumps({"event_id": event, "timestamp": time.time_ns() // 1_000_000, "twin": twin})
        answer = self._answers[event] = asyncio.get_running_loop().create_future()
        while not answer.done():
            await self._online.wait()
            assert self._client is not None
            with suppress(aiomqtt.MqttError):
                await self._client.publish(_TOPIC.format(device), body, qos=1, timeout=PATIENCE)
            await asyncio.wait({answer}, timeout=PATIENCE)
        del self._answers[event]
        self._busy -= 1
        if not self._busy:
            self.idle.set()
