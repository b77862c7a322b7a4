"""The gateway's real parts behind a real mosquitto, with a client in front and a cloud above.

Link, door, core and journal are the product's, in a thread with a loop of their own. The cloud is the product's too, up
to its websocket: frames go into its inbox as they come from CloudHub, and what it would send is kept in `up`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import paho.mqtt.client as paho
from msgspec import Struct
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud import frames
from cloud.cloudcore import CloudCore
from cloud.config import CloudCoreConfig
from cloud.identity import Identity
from cloud.messages import Members, Object, TwinUpdate
from cloud.sync import Report
from devices.mqtt.door import MqttDoor
from devices.mqtt.fast import FastLink
from devices.mqtt.link import LinkConfig
from gateway.causes import Causes
from gateway.committed import Committed
from gateway.core import Core
from gateway.timers import Timers
from gateway.uplink import Uplink
from rules.rules import Rules
from store.journal import Journal
from store.state import FILE
from streams.streams import Streams
from tests.mosquitto import Mosquitto
from twins.exchange import Event, Outcome, Point
from twins.kubeedge import SUBSCRIPTIONS, Reader, Writer
from twins.stimuli import Stimulus
from twins.twin import Twins

NODE = "n1"
DEADLINE = 10.0
HEARTBEAT = 600.0
SENTINEL = "$hw/events/device/sentinel/none"
"""A device that is never there: its 404 comes when all that was asked before has been answered."""
T = TypeVar("T")


class Heard(Struct, frozen=True):
    """A message that the gateway published."""

    topic: str
    body: Any
    qos: int
    retained: bool


class Sent(Struct, frozen=True):
    """A message that the gateway would send to CloudHub."""

    resource: str
    content: Any


class Clock:
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self._ahead = 0

    def pass_over(self, seconds: float) -> None:
        self._ahead += int(seconds * 1e6)

    def now(self) -> int:
        return time.time_ns() // 1000 + self._ahead

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Sky(CloudCore):
    """The product's cloud, whose link is always up and whose peer confirms everything."""

    up: list[Report]

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def online(self) -> None:
        return

    async def push(self, rows: Sequence[Report]) -> None:
        self.up += rows


class Parts:
    """What lives from one start of the gateway to its end."""

    def __init__(self, folder: Path, port: int, clock: Clock, *, node: str, strict: bool) -> None:
        self.clock = clock
        self.events: list[Event] = []
        self.points: list[Point] = []
        self.journal = Journal(folder, clock, sink=lambda _, columns, names: self.points.extend(columns.points(names)))
        self.twins = Twins(strict=strict, heartbeat=HEARTBEAT)
        timers = Timers(clock)
        self.core = Core(self.twins, Rules(), Streams(), self.journal, timers, clock)
        link = FastLink(LinkConfig(port=port, client_id=f"gateway-{node}"), SUBSCRIPTIONS, clock)
        reader, writer = Reader(node, strict=strict), Writer(node, strict=strict)
        self.door = MqttDoor(link, reader, writer, self.core, clock, Causes(1).of("mqtt"))
        self._identity = Identity(folder / "cloud", node, clock)
        self.sky: Sky
        self.uplink: Uplink[Report]

    @contextlib.asynccontextmanager
    async def running(self, up: list[Report]) -> AsyncIterator[None]:
        found = await self.journal.open()
        self.twins.restore(found.twins, found.seen)
        self.sky = Sky(CloudCoreConfig(), self._identity, self.clock, manifests=found.manifests, boot=found.boot)
        self.sky.up = up
        self.uplink = Uplink(self.sky, self.core, self.clock)
        for listener in (self, self.uplink):
            self.core.listen(listener)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(one.run()) for one in (self.journal, self.core, self.door, self.uplink)]
                while not self.door.link.connected:  # noqa: ASYNC110 - the link has no event for it
                    await asyncio.sleep(0.002)
                yield
                for part in reversed(parts):
                    part.cancel()
                    await asyncio.wait({part})
        finally:
            await self.journal.close()

    def tell(self, committed: Committed) -> None:
        self.events += committed.events
        self.door.tell(committed.said)

    async def take(self, frame: bytes) -> bool:
        """Whether a message of the cloud was taken; the same way in as from its websocket."""
        said = frames.decode(frame)
        assert isinstance(said, Object | Members | TwinUpdate), said
        return await self.sky._inbox.take(said)

    async def reported(self) -> None:
        """All news is on its way to the cloud."""
        while self.uplink.pending:  # noqa: ASYNC110 - one turn of the loop sends what is pending
            await asyncio.sleep(0)


class Stage:
    """One gateway with a broker of its own, and whoever speaks to it. `began` is when the test last said `begin`."""

    def __init__(self, folder: Path, *, strict: bool, node: str = NODE) -> None:
        self.clock = Clock()
        self.strict = strict
        self.node = node
        self.began = 0
        self.up: list[Report] = []
        self._folder = folder / "data"
        self._broker = Mosquitto(folder / "broker", "max_queued_messages 0", "max_inflight_messages 1000")
        self._parts: Parts
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._threads = ThreadPoolExecutor(1, "gateway")
        self._running: Future[None]
        self._messages: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._markers = 0
        self._client: paho.Client

    def __enter__(self) -> Stage:
        self._broker.start()
        self._client = self._connected()
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._client.disconnect()
        self._client.loop_stop()
        self._threads.shutdown()
        self._broker.stop()

    def begin(self) -> None:
        self.began = self.clock.now()

    @property
    def twins(self) -> Twins:
        """To be read while nothing is under way."""
        return self._parts.twins

    @property
    def events(self) -> list[Event]:
        return self._parts.events

    def restart(self) -> None:
        self._stop()
        self._start()

    def say(self, topic: str, body: object, qos: int = 1) -> None:
        """Publish; bytes as they are, all else as JSON."""
        self._client.publish(topic, body if isinstance(body, bytes) else json.dumps(body), qos)

    def heard(self) -> list[Heard]:
        """What the gateway published up to here: all of it, for its answer to a last request has come."""
        self._markers += 1
        event = f"sentinel-{self._markers}"
        self.say(f"{SENTINEL}/twin/get", {"event_id": event})
        return self._until(lambda m: m.topic == f"{SENTINEL}/twin/get/result" and m.body["event_id"] == event)

    def undisturbed(self) -> list[Heard]:
        """What came before a message of our own which the gateway has no part in."""
        self._client.publish("marker", b"0", 1)
        return self._until(lambda m: m.topic == "marker")

    def sent(self) -> list[Sent]:
        """What went up to the cloud since the last time."""
        self._call(self._parts.reported())
        reports, self.up[:] = list(self.up), []
        return [_sent(one) for one in reports]

    def cloud(
        self,
        resource: str,
        content: object,
        *,
        group: str = "twin",
        operation: str = "update",
        source: str = "devicecontroller",
    ) -> bool:
        """A message comes from CloudHub; true when it is committed."""
        route = {"source": source, "group": group, "operation": operation, "resource": resource}
        frame = {"header": {"msg_id": f"m{time.monotonic_ns()}", "timestamp": 1}, "route": route, "content": content}
        return self._call(self._parts.take(json.dumps(frame).encode()))

    def ask(self, *stimuli: Stimulus) -> Outcome:
        """Offer stimuli to the core as another part of the gateway would."""
        return self._call(self._parts.core.ask(*stimuli))

    def decided(self, device: str, name: str, value: str) -> None:
        """Wait until the twin has it, on disk or not."""
        deadline = time.monotonic() + DEADLINE
        while True:
            twin = self.twins.get(device)
            p = twin.properties.get(name) if twin is not None else None
            if p is not None and p.reported is not None and p.reported.value == value:
                return
            assert time.monotonic() < deadline, f"{device} never had {name} = {value}"
            time.sleep(0.002)

    @contextlib.contextmanager
    def disk_away(self) -> Iterator[None]:
        """Somebody else writes to the database: no commit gets through."""
        with contextlib.closing(sqlite3.connect(self._folder / FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    @property
    def points(self) -> list[Point]:
        """Every point that was committed since the start."""
        return self._parts.points

    def _start(self) -> None:
        started = threading.Event()

        async def main() -> None:
            self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
            self._parts = Parts(self._folder, self._broker.port, self.clock, node=self.node, strict=self.strict)
            async with self._parts.running(self.up):
                started.set()
                await self._end.wait()

        self._running = self._threads.submit(asyncio.run, main())
        self._running.add_done_callback(lambda _: started.set())
        assert started.wait(DEADLINE)
        if self._running.done():
            self._running.result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._running.result(DEADLINE)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def _until(self, last: Callable[[Heard], bool]) -> list[Heard]:
        found = []
        while not last(message := self._messages.get(timeout=DEADLINE)):
            found.append(message)
        return found

    def _connected(self) -> paho.Client:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"client-{self.node}", protocol=paho.MQTTv5)
        ready = threading.Event()
        client.on_message = lambda _client, _data, m: self._messages.put(
            Heard(m.topic, msgspec.json.decode(m.payload), m.qos, m.retain)
        )
        client.on_connect = lambda *_: client.subscribe(
            [("$hw/#", SubscribeOptions(2, noLocal=True, retainAsPublished=True)), ("marker", SubscribeOptions(1))]
        )
        client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_subscribe = lambda *_: ready.set()
        properties = Properties(paho.PacketTypes.CONNECT)
        properties.ReceiveMaximum = 1000
        client.max_inflight_messages_set(1000)
        client.connect("127.0.0.1", self._broker.port, properties=properties)
        client.loop_start()
        assert ready.wait(DEADLINE)
        return client


def _sent(report: Report) -> Sent:
    encode = frames.state_report if report.kind == "state" else frames.twin_report
    frame = json.loads(encode(report.device, report.content, "id", 1))
    return Sent(frame["route"]["resource"], frame["content"])
