"""One simulated device on MQTT, through aiomqtt: it repeats the same bytes until its result comes.

So a killed broker or gateway loses nothing of a twin update. Plain telemetry has no answer: the broker's PUBACK says
only that the broker has it, and the record says no more than that.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

import aiomqtt

from simulator.kinds import Kind, Values
from simulator.record import Record

REPEAT = 2.0
"""Seconds after which an unanswered update is sent again, byte for byte."""
PENDING = 2000
"""Unanswered messages a device remembers; beyond them it stops measuring, and says so in its record."""


@dataclass
class Pending:
    """A message that has not been answered."""

    topic: str
    payload: bytes
    sent: float = 0.0
    tries: int = 0


@dataclass
class Device:
    """A device's life on the wire."""

    namespace: str
    name: str
    kind: Kind
    record: Record
    host: str = "127.0.0.1"
    port: int = 1883
    password: str | None = None
    pending: dict[str, Pending] = field(default_factory=dict)
    answered: int = 0
    _ms: int = 0
    _counter: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    async def run(self, seconds: float | None, grace: float) -> None:
        """Live for `seconds`, then wait up to `grace` seconds for what is still unanswered."""
        async with asyncio.TaskGroup() as group:
            wire = group.create_task(self._connect(), name=f"{self.id}.wire")
            started = time.monotonic()
            while seconds is None or time.monotonic() - started < seconds:
                if self._stopping.is_set():
                    break
                if len(self.pending) < PENDING:
                    self._say(self.kind.tick(time.monotonic() - started))
                else:
                    self.record.write("skipped", self.id, "", reason="too many unanswered")
                await self._pause(self.kind.period)
            try:
                async with asyncio.timeout(grace):
                    await self._settled()
            except TimeoutError:
                pass
            wire.cancel()

    def stop(self) -> None:
        """End the measuring; `run` returns once the rest is answered."""
        self._stopping.set()

    async def _settled(self) -> None:
        while self.pending:
            self._heard.clear()
            await self._heard.wait()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _say(self, values: Values) -> None:
        if not values:
            return
        self._counter += 1
        now = max(self._ms + 1, time.time_ns() // 1_000_000)  # no two messages of a device have one time
        self._ms = now
        event = f"{self.name}-{now}-{self._counter}"
        if self.kind.plain:
            numbers = {name: json.loads(value) for name, value in values.items()}
            values = {name: json.dumps(number) for name, number in numbers.items()}  # as it stands on the wire
            body: dict[str, object] = {"id": event, "at": now} | numbers
            topic = f"gemelo/telemetry/{self.id}"
            what = "telemetry"
        else:
            twin = {name: {"actual": {"value": value}} for name, value in values.items()}
            body = {"event_id": event, "timestamp": now, "twin": twin}
            topic = f"$hw/events/device/{self.id}/twin/update"
            what = "update"
        self.pending[event] = Pending(topic, json.dumps(body, separators=(",", ":")).encode())
        self.record.write("offered", self.id, event, kind=what, at=now, values=values)

    async def _connect(self) -> None:
        tries = 0
        while True:
            try:
                async with aiomqtt.Client(
                    self.host,
                    self.port,
                    username=self.id if self.password is not None else None,
                    password=self.password,
                    identifier=f"sim-{self.namespace}-{self.name}",
                    timeout=5,
                    will=self._will(),
                ) as client:
                    tries = 0
                    await self._talk(client)
            except* (aiomqtt.MqttError, OSError, TimeoutError):
                tries += 1
            for waiting in self.pending.values():
                waiting.sent = 0.0
            await asyncio.sleep(random.uniform(0.05, min(5.0, 0.2 * 2**tries)))

    def _will(self) -> aiomqtt.Will:
        """What the broker says for a device that goes without a goodbye."""
        body = json.dumps({"state": "offline", "reason": "its last will: the connection was lost"})
        return aiomqtt.Will(f"$hw/events/device/{self.id}/state/update", body, qos=1)

    async def _talk(self, client: aiomqtt.Client) -> None:
        await client.subscribe(f"$hw/events/device/{self.id}/twin/update/result", qos=1)
        await client.subscribe(f"$hw/events/device/{self.id}/twin/update/delta", qos=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(client), name=f"{self.id}.hear")
            group.create_task(self._send(client), name=f"{self.id}.send")

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            body = json.loads(bytes(message.payload))
            if message.topic.value.endswith("/result"):
                self._answered(body)
            else:
                self._asked(body)

    def _answered(self, body: dict[str, object]) -> None:
        event = str(body.get("event_id", ""))
        waiting = self.pending.pop(event, None)
        self._heard.set()
        if waiting is None:
            self.record.write("answered-again", self.id, event)
            return
        self.answered += 1
        took = round((time.monotonic() - waiting.sent) * 1000, 1)
        if "code" in body:
            self.record.write("rejected", self.id, event, code=body["code"], reason=body.get("reason"))
        else:
            self.record.write("accepted", self.id, event, took_ms=took, tries=waiting.tries)

    def _asked(self, body: dict[str, object]) -> None:
        delta = body.get("delta")
        if not isinstance(delta, dict):
            return
        for name, value in delta.items():
            values = self.kind.obey(name, str(value))
            if values:
                self.record.write("obeyed", self.id, str(body.get("event_id", "")), property=name, value=str(value))
                self._say(values)

    async def _send(self, client: aiomqtt.Client) -> None:
        """Send what waits, in order, and again what stays unanswered."""
        while True:
            now = time.monotonic()
            due = [(e, p) for e, p in self.pending.items() if p.sent == 0.0 or now - p.sent > REPEAT]
            for event, waiting in due:
                if event not in self.pending:
                    continue
                waiting.sent = time.monotonic()
                waiting.tries += 1
                await client.publish(waiting.topic, waiting.payload, qos=1, timeout=5)
                if waiting.topic.startswith("gemelo/"):
                    self.pending.pop(event, None)
                    self._heard.set()
                    self.record.write("handed", self.id, event, tries=waiting.tries)
            await asyncio.sleep(0.02)
