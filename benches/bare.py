"""The least that could do the gateway's outer job, as a yardstick: decode, one SQLite group commit, publish result and
document at QoS 1, acknowledge after the commit. No twins, rules, points, limits or reconnecting; state is a dict.

    python -m benches.bare PORT FOLDER          until SIGTERM

`aiomqtt` as a third word takes that library in place of the codec `mqtt5`; it acknowledges before we see a message.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any, cast

import mqtt5
import msgspec
import uvloop
from msgspec import Struct

QOS1 = mqtt5.QoS.AT_LEAST_ONCE
UPDATES = "$hw/events/device/+/+/twin/update"


class Side(Struct):
    """One side of a property."""

    value: str


class Kind(Struct):
    """A property's type."""

    type: str = "string"


class Twin(Struct, omit_defaults=True):
    """A property."""

    actual: Side | None = None
    expected: Side | None = None
    metadata: Kind | None = None


class Update(Struct):
    """An update, and the form of its result."""

    event_id: str
    timestamp: int
    twin: dict[str, Twin]


class Change(Struct):
    """A property in a document."""

    last: Twin | None
    current: Twin


class Document(Struct):
    """What changed."""

    event_id: str
    timestamp: int
    twin: dict[str, Change]


class Shelf:
    """The state, on disk after `keep`."""

    def __init__(self, folder: Path) -> None:
        self._twins: dict[str, dict[str, Twin]] = {}
        self._decode = msgspec.json.Decoder(Update).decode
        self._encode = msgspec.json.Encoder().encode
        self._db = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE twins (device TEXT PRIMARY KEY, body BLOB)")

    def take(self, topic: str, payload: bytes) -> tuple[str, bytes, bytes, bytes]:
        """Topic, result, document and row of one update."""
        update = self._decode(payload)
        twin = self._twins.setdefault(topic, {})
        changes = {name: Change(twin.get(name), current) for name, current in update.twin.items()}
        twin.update(update.twin)
        now = int(time.time() * 1000)
        result = self._encode(Update(update.event_id, now, update.twin))
        return topic, result, self._encode(Document(update.event_id, now, changes)), self._encode(twin)

    def keep(self, done: list[tuple[str, bytes, bytes, bytes]]) -> None:
        """One commit."""
        self._db.execute("BEGIN IMMEDIATE")
        rows = {topic: row for topic, _, _, row in done}
        self._db.executemany("INSERT OR REPLACE INTO twins VALUES (?, ?)", rows.items())
        self._db.execute("COMMIT")


class Bare(asyncio.Protocol):
    """The loop over `mqtt5`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._pending: list[tuple[str, bytes, int]] = []
        self._wake = asyncio.Event()
        self._packet = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(mqtt5.ConnectPacket("bare", keep_alive=0, receive_max=65_535).write())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        view, start = memoryview(data), 0
        while True:
            try:
                packet, size = mqtt5.read(view[start:])
            except IndexError:
                break
            start += size
            if isinstance(packet, mqtt5.PublishPacket):
                self._pending.append((packet.topic, packet.payload, packet.packet_id or 0))
            elif isinstance(packet, mqtt5.ConnAckPacket) and self._transport is not None:
                self._transport.write(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(UPDATES, max_qos=QOS1)]).write())
            elif isinstance(packet, mqtt5.SubAckPacket):
                print("ready", flush=True)
        self._rest = data[start:]
        if self._pending:
            self._wake.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, []
            done = [self._shelf.take(topic, payload) for topic, payload, _ in pending]
            await loop.run_in_executor(None, self._shelf.keep, done)
            frames = []
            for topic, result, document, _ in done:
                frames.append(self._publish(f"{topic}/result", result))
                frames.append(self._publish(f"{topic}/document", document))
            frames += [mqtt5.PubAckPacket(packet).write() for _, _, packet in pending]
            if self._transport is not None:
                self._transport.write(b"".join(frames))

    def _publish(self, topic: str, payload: bytes) -> bytes:
        self._packet = self._packet % 65_535 + 1
        return mqtt5.PublishPacket(topic, payload, qos=QOS1, packet_id=self._packet).write()


async def over_codec(port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    _, bare = await loop.create_connection(lambda: Bare(Shelf(folder)), "127.0.0.1", port)
    await bare.run()


async def over_aiomqtt(port: int, folder: Path) -> None:
    import aiomqtt

    shelf, loop = Shelf(folder), asyncio.get_running_loop()
    settings: dict[str, Any] = {"max_queued_outgoing_messages": 0, "max_inflight_messages": 1000}
    async with aiomqtt.Client("127.0.0.1", port, identifier="bare", **settings) as client:
        await client.subscribe(UPDATES, qos=1)
        print("ready", flush=True)
        async for first in client.messages:
            pending = [first]
            while len(client.messages):
                pending.append(await anext(client.messages))
            done = [shelf.take(str(m.topic), m.payload) for m in pending]
            await loop.run_in_executor(None, shelf.keep, done)
            paho = client._client
            for topic, result, document, _ in done:
                paho.publish(f"{topic}/result", result, 1)
                paho.publish(f"{topic}/document", document, 1)


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work = over_aiomqtt(port, folder) if "aiomqtt" in sys.argv[3:] else over_codec(port, folder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
