"""Sensors and actuators over MQTT 5, in a process of their own: a value goes out, a message made of it comes back.

    python -m benches.sensors PORT --devices 100 --seconds 10 --rate 1000 --hear 'lamp/+'

Each value is a number of its own, so that what comes back is known: as the payload, or as what is desired in a delta.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from typing import cast

import mqtt5
import msgspec
import uvloop
from msgspec import Struct

from benches.figures import percentile

QOS1 = mqtt5.QoS.AT_LEAST_ONCE
LAST = 20.0
"""Seconds that the last messages get."""
_NUMBER = re.compile(rb'^(\d+)$|"expected":\{"value":"(\d+)"')


class Outcome(Struct):
    """Milliseconds from a sensor's publish to the actuator's message; `again` came more than once, `lost` never."""

    sent: int
    rate: float
    p50: float
    p99: float
    worst: float
    lost: int
    again: int


class Plant(asyncio.Protocol):
    """One connection that publishes for all sensors and hears for all actuators."""

    def __init__(self, devices: int, hear: str) -> None:
        self._devices = devices
        self._hear = hear
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._since: dict[int, float] = {}
        self.ready = asyncio.get_running_loop().create_future()
        self.sent = self.again = 0
        self.took: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(mqtt5.ConnectPacket("plant", keep_alive=0, receive_max=65_535).write())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self._rest + data if self._rest else data
        view, start, out = memoryview(data), 0, []
        while True:
            try:
                packet, size = mqtt5.read(view[start:])
            except IndexError:
                break
            start += size
            if isinstance(packet, mqtt5.PublishPacket):
                self._heard(packet.payload, now)
                if packet.packet_id:
                    out.append(mqtt5.PubAckPacket(packet.packet_id).write())
            elif isinstance(packet, mqtt5.ConnAckPacket):
                out.append(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(self._hear, max_qos=QOS1)]).write())
            elif isinstance(packet, mqtt5.SubAckPacket):
                self.ready.set_result(None)
        self._rest = data[start:]
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    @property
    def waiting(self) -> int:
        return len(self._since)

    def send(self, count: int) -> None:
        """Publish so many values."""
        assert self._transport is not None  # connected before
        self._transport.write(b"".join([self._value() for _ in range(count)]))

    def _value(self) -> bytes:
        self.sent += 1
        n = self.sent
        self._since[n] = time.perf_counter()
        topic = f"gemelo/telemetry/default/sensor-{n % self._devices}"
        packet = n % 65_535 + 1
        return mqtt5.PublishPacket(topic, b'{"t":%d}' % n, qos=QOS1, packet_id=packet).write()

    def _heard(self, payload: bytes, now: float) -> None:
        found = _NUMBER.search(payload)
        if found is None:
            return
        since = self._since.pop(int(found[1] or found[2]), None)
        if since is None:
            self.again += 1
        else:
            self.took.append((now - since) * 1e3)


async def play(port: int, devices: int, seconds: float, rate: float, hear: str) -> Outcome:
    """The first second warms up and does not count."""
    loop = asyncio.get_running_loop()
    _, plant = await loop.create_connection(lambda: Plant(devices, hear), "127.0.0.1", port)
    await plant.ready
    began = time.perf_counter()
    skipped = 0
    while (passed := time.perf_counter() - began) < seconds + 1.0:
        if passed < 1.0:
            skipped = len(plant.took)
        plant.send(int(passed * rate) - plant.sent)
        await asyncio.sleep(0.001)
    spent = time.perf_counter() - began
    end = time.perf_counter() + LAST
    while plant.waiting and time.perf_counter() < end:  # noqa: ASYNC110 - a bench: nobody is woken for the last one
        await asyncio.sleep(0.01)
    took = sorted(plant.took[skipped:]) or [0.0]
    rate = plant.sent / spent
    worst = took[-1]
    return Outcome(plant.sent, rate, percentile(took, 0.5), percentile(took, 0.99), worst, plant.waiting, plant.again)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.sensors", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--hear", default="lamp/+")
    args = parser.parse_args()
    outcome = uvloop.run(play(args.port, args.devices, args.seconds, args.rate, args.hear))
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
