"""The far side of a scene: a broker in the cloud, the wire to it, and a program there that says things until they are
answered, and asks for whole twins when it comes back, as docs/cloud-mqtt.md tells programs to.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiomqtt
from msgspec import Struct

from tests.cloud.ledger import Stored
from tests.cloud.mqtt.heaven import Heaven, heaven
from tests.cloud.scene import MODEL, manifest
from tests.cloud.stage import NODE
from tests.cloud.wire import Wire
from tests.mosquitto import Mosquitto

PATIENCE = 1.0
"""Seconds after which a message that was not answered is sent again."""
DAY = 86_400.0
ROOT = f"gemelo/{NODE}/"


class Request(Struct):
    """What is sent until it is answered; an empty message has no `id`."""

    data: Any
    retain: bool
    id: str
    sent: float = float("-inf")


class Program:
    """Implements `Far`."""

    def __init__(self, folder: Path) -> None:
        self.broker = Mosquitto(folder / "cloud", "max_queued_messages 100000")
        self.link: Wire
        self._far: Heaven
        self._requests: dict[str, Request] = {}
        self._wishes: dict[str, int] = {}
        self._ids = itertools.count(1)
        self._more = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Program:
        self._stack.enter_context(self.broker)
        self.link = await self._stack.enter_async_context(Wire(self.broker.port))
        self._far = await self._stack.enter_async_context(heaven(self.broker.port))
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for task in (group.create_task(self._say()), group.create_task(self._hear())):
            self._stack.callback(task.cancel)
        self._tell("manifests/devicemodels/default/counter", MODEL, retain=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def section(self) -> str:
        return f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{self.link.port}"\n'

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self.broker.stop)

    async def linked(self, within: float) -> None:
        asked = self._tell("get", {})
        await self._far.until(lambda: self._requests.get("get") is not asked, within)

    def add(self, device: str) -> None:
        self._wishes[device] = 0
        self._tell(f"manifests/devices/{device}", manifest(device), retain=True)

    def remove(self, device: str) -> None:
        del self._wishes[device]
        self._tell(f"manifests/devices/{device}", b"", retain=True)

    def ask(self, device: str, number: int) -> None:
        self._wishes[device] = number
        self._tell(f"twins/{device}/desired", {"version": number, "properties": {"target": number}})

    def statuses(self) -> dict[str, dict[str, str]]:
        return {device: self._far.reported(device) for device in self._wishes}

    def wishes(self) -> dict[str, int]:
        return self._wishes

    def stored(self) -> Stored:
        """What is not older than what is there; each report of `n` is one version more."""
        kept: dict[tuple[str, str], int] = {}
        for topic, event, _ in self._far.heard:
            if not topic.endswith("/reported"):
                continue
            device = event["subject"]
            for name, said in event["data"]["properties"].items():
                version, value = (said.get("reported", {}).get(key) for key in ("version", "value"))
                if value is not None and version >= kept.get((device, name), 0):
                    assert name != "n" or int(value) == version, f"{device}: {value} is version {version}"
                    kept[device, name] = version
                    yield device, {name: value}

    def _tell(self, topic: str, data: object, *, retain: bool = False) -> Request:
        """Instead of what was not answered there."""
        request = self._requests[topic] = Request(data, retain, f"r-{next(self._ids)}" if data else "")
        self._more.set()
        return request

    async def _say(self) -> None:
        while True:
            self._more.clear()
            for topic, request in list(self._requests.items()):
                if time.monotonic() - request.sent >= PATIENCE and self._far.connected:
                    request.sent = time.monotonic()
                    attributes = {"id": request.id} if request.id else {}
                    with suppress(aiomqtt.MqttError, TimeoutError):
                        async with asyncio.timeout(PATIENCE):
                            await self._far.send(f"{NODE}/{topic}", request.data, retain=request.retain, **attributes)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE / 4):
                    await self._more.wait()

    async def _hear(self) -> None:
        links, read = self._far.links, 0
        while True:
            known = links, read
            await self._far.until(lambda known=known: (self._far.links, len(self._far.heard)) != known, DAY)
            if self._far.links > links:
                self._tell("get", {})
            for topic, event, _ in self._far.heard[read:]:
                if topic.endswith("/ack"):
                    self._answered(topic.removeprefix(ROOT).removesuffix("/ack"), event["data"])
            links, read = self._far.links, len(self._far.heard)

    def _answered(self, topic: str, answer: dict[str, Any]) -> None:
        request = self._requests.get(topic)
        if request is None or answer.get("id", "") != request.id or answer.get("code") == 503:
            return
        assert "code" not in answer or (request.data == b"" and answer["code"] == 404), (topic, answer)
        del self._requests[topic]
