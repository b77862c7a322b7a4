"""The far side: a program in the cloud that keeps what nodes tell it, on a real broker that may go away."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

DEADLINE = 10.0


class Heaven:
    """Keeps a persistent session, and all that came; `twins` folds reports as docs/cloud-mqtt.md tells programs to."""

    def __init__(self, port: int, topic: str = "gemelo", name: str = "heaven") -> None:
        self.heard: list[tuple[str, dict[str, Any], bool]] = []
        self.twins: dict[str, dict[str, dict[str, Any]]] = {}
        self.states: dict[str, str] = {}
        self.links = 0
        """Connections that were made."""
        self._port = port
        self._topic = topic
        self._name = name
        self._client: aiomqtt.Client | None = None
        self._news = asyncio.Condition()
        self._versions = itertools.count(1)

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def send(self, topic: str, data: object, *, retain: bool = False, qos: int = 1, **attributes: str) -> None:
        """`data` is JSON, or bytes as they are; `attributes` make it a CloudEvent in structured mode."""
        if attributes:
            data = {"specversion": "1.0", "source": "/heaven", "type": "test", **attributes, "data": data}
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        assert self._client is not None
        await self._client.publish(f"{self._topic}/{topic}", body, qos=qos, retain=retain)

    async def ask(self, topic: str, data: object, **attributes: str) -> dict[str, Any]:
        """Send, and the data of the answer."""
        before = len(self.heard)
        await self.send(topic, data, **attributes)
        return await self.hear(f"{topic}/ack", before)

    async def desire(self, device: str, version: int, /, **properties: str | None) -> dict[str, Any]:
        """Ask for values; what became of each."""
        answer = await self.ask(f"edge-1/twins/{device}/desired", {"version": version, "properties": properties})
        return {name: verdict["outcome"] for name, verdict in answer["properties"].items()}

    async def hear(self, topic: str, after: int = 0) -> dict[str, Any]:
        """The data of the first message on a topic after so many messages, of the past or to come."""
        wanted = f"{self._topic}/{topic}"

        def found() -> dict[str, Any] | None:
            return next((event["data"] for t, event, _ in self.heard[after:] if t == wanted), None)

        return await self.until(found)

    async def until(self, look: Callable[[], Any], deadline: float = DEADLINE) -> Any:
        """What `look` gives once that is something; looks when something came."""
        async with asyncio.timeout(deadline), self._news:
            await self._news.wait_for(look)
        return look()

    def all(self, topic: str) -> list[dict[str, Any]]:
        """The data of all messages on a topic."""
        return [event["data"] for t, event, _ in self.heard if t == f"{self._topic}/{topic}"]

    def reported(self, device: str, node: str = "edge-1") -> dict[str, str]:
        """The values a device has here."""
        twin = self.twins.get(f"{node}:{device}", {})
        return {name: p["reported"]["value"] for name, p in twin.items() if "reported" in p and not p.get("deleted")}

    async def _listen(self) -> None:
        while True:
            client = aiomqtt.Client(
                "127.0.0.1",
                self._port,
                identifier=self._name,
                clean_session=False,
                timeout=5,
                socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            )
            client.pending_calls_threshold = 10_000
            try:
                async with client:
                    await client.subscribe(f"{self._topic}/#", qos=1)
                    self._client = client
                    self.links += 1
                    async with self._news:
                        self._news.notify_all()
                    async for message in client.messages:
                        await self._take(message)
            except aiomqtt.MqttError:
                self._client = None
                await asyncio.sleep(0.05)

    async def _take(self, message: aiomqtt.Message) -> None:
        async with self._news:
            topic = message.topic.value
            event = _event(bytes(message.payload))
            if "id" in event and "data" in event:  # of the nodes' own
                self.heard.append((topic, event, bool(message.retain)))
                self._fold(topic, event)
            self._news.notify_all()

    def _fold(self, topic: str, event: dict[str, Any]) -> None:
        words = topic.removeprefix(f"{self._topic}/").split("/")
        if words[1] != "twins" or words[-1] not in {"reported", "state"}:
            return
        device = f"{words[0]}:{words[2]}/{words[3]}"
        if words[-1] == "state":
            self.states[device] = event["data"]["state"]
            return
        twin = self.twins.setdefault(device, {})
        for name, said in event["data"]["properties"].items():
            known = twin.setdefault(name, {})
            for side in ("reported", "desired"):
                if side in said and said[side]["version"] >= known.get(side, {}).get("version", 0):
                    known[side] = said[side]
            known["deleted"] = said.get("deleted", False)


def _event(payload: bytes) -> dict[str, Any]:
    """Empty for what is none: tests send such things."""
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


@asynccontextmanager
async def heaven(port: int, topic: str = "gemelo", name: str = "heaven") -> AsyncIterator[Heaven]:
    """A program in the cloud that listens."""
    far = Heaven(port, topic, name)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(far._listen())
        await far.until(lambda: far.connected)
        try:
            yield far
        finally:
            listening.cancel()
