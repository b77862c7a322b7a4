"""A load of twin updates over MQTT 5, in a process of its own: so many in flight, or so many a second.

    python -m benches.load PORT --devices 10 --in-flight 64 --seconds 5 [--rate 2000] [--burst 20] [--qos 0] [--check]

Four changing properties a message, answers at QoS 1. A message is answered when a result with its `event_id` has come;
latency is from its publish to that. `--check` asks for every twin at the end: it has to hold what was sent last.
Prints one JSON object: every event_id sent counts, to the end of the run.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import mqtt5
import msgspec
import uvloop
from msgspec import Struct

from benches.figures import percentile

QOS1 = mqtt5.QoS.AT_LEAST_ONCE
LAST = 20.0
"""Seconds that the last answers get."""
_BODY = (
    '{"event_id":"%d","timestamp":%d,"twin":{"temperature":{"actual":{"value":"%d.%02d"},"metadata":{"type":"float"}},'
    '"humidity":{"actual":{"value":"%d"},"metadata":{"type":"int"}},"voltage":{"actual":{"value":"3.%03d"},'
    '"metadata":{"type":"float"}},"door":{"actual":{"value":"%s"},"metadata":{"type":"string"}}}}'
)


class Outcome(Struct):
    """What a run gave: rate and latencies (milliseconds) of those answered within the measured time.

    `qos` is the least that answers came at, `disordered` counts answers that came after a later one's of their device,
    `wrong` the devices whose twin is not what was sent last.
    """

    rate: float
    p50: float
    p99: float
    sent: int
    answered: int
    refused: int
    unanswered: int
    cpu: float
    qos: int
    disordered: int
    wrong: int


class _Twin(Struct):
    actual: dict[str, Any]


class _Answer(Struct):
    twin: dict[str, _Twin] = {}


class Load(asyncio.Protocol):
    """One connection that publishes updates of all devices, `burst` in a row to each, and hears their results."""

    def __init__(self, devices: int, window: int, burst: int, qos: int) -> None:
        self._roots = [f"$hw/events/device/default/thermometer-{n}/twin" for n in range(devices)]
        self._topics = [f"{root}/update" for root in self._roots]
        self._window = window
        self._burst = burst
        self._qos = mqtt5.QoS(qos)
        self._last = dict.fromkeys((f"{topic}/result" for topic in self._topics), 0)
        self._final: list[Sequence[object]] = [()] * devices
        self.found: dict[str, bytes] = {}
        self.all_found = asyncio.Event()
        self.qos = 2
        self.disordered = 0
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._waiting: dict[int, float] = {}
        self._seen = 0
        self.ready = asyncio.get_running_loop().create_future()
        self.emptied = asyncio.Event()
        self.sending = False
        self.sent = self.refused = 0
        self.answers: list[tuple[float, float]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(mqtt5.ConnectPacket("load", keep_alive=0, receive_max=65_535).write())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        view, start, out = memoryview(data), 0, []
        now = time.perf_counter()
        while True:
            try:
                packet, size = mqtt5.read(view[start:])
            except IndexError:
                break
            start += size
            if isinstance(packet, mqtt5.PublishPacket):
                self._answer(packet.topic, packet.payload, now)
                self.qos = min(self.qos, int(packet.qos))
                if packet.packet_id:
                    out.append(mqtt5.PubAckPacket(packet.packet_id).write())
            elif isinstance(packet, mqtt5.ConnAckPacket):
                filters = [f"$hw/events/device/+/+/twin/{verb}/result" for verb in ("update", "get")]
                out.append(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(f, max_qos=QOS1) for f in filters]).write())
            elif isinstance(packet, mqtt5.SubAckPacket):
                self.ready.set_result(None)
        self._rest = data[start:]
        if self.sending and self._window:
            out += [self._update(now) for _ in range(self._window - len(self._waiting))]
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def start(self) -> None:
        """Fill the window."""
        self.sending = True
        self.send(self._window)

    def send(self, count: int) -> None:
        """Publish so many."""
        now = time.perf_counter()
        if count and self._transport is not None:
            self._transport.write(b"".join([self._update(now) for _ in range(count)]))

    @property
    def unanswered(self) -> int:
        return len(self._waiting)

    def _update(self, now: float) -> bytes:
        self.sent += 1
        n = self.sent
        self._waiting[n] = now
        values = (n % 30, n % 100, n % 101, n % 1000, "open" if n % 2 else "shut")
        body = (_BODY % (n, int(time.time() * 1000), *values)).encode()
        device = n // self._burst % len(self._topics)
        self._final[device] = values
        packet = n % 65_535 + 1 if self._qos == QOS1 else None
        return mqtt5.PublishPacket(self._topics[device], body, qos=self._qos, packet_id=packet).write()

    def ask(self) -> None:
        """Ask for the twin of every device that was told something."""
        asked = [f"{root}/get" for root, final in zip(self._roots, self._final, strict=True) if final]
        if self._transport is not None:
            self._transport.write(b"".join(mqtt5.PublishPacket(topic, b"{}").write() for topic in asked))

    @property
    def wrong(self) -> int:
        """Devices whose twin is not what was sent last."""
        return sum(final != self._shown(root) for root, final in zip(self._roots, self._final, strict=True) if final)

    def _shown(self, root: str) -> Sequence[object]:
        """The values of a twin as they were sent; empty when it did not answer."""
        twin = msgspec.json.decode(self.found.get(f"{root}/get/result", b"{}"), type=_Answer).twin
        if not twin:
            return ()
        told = {name: str(each.actual["value"]) for name, each in twin.items()}
        whole, _, hundredths = told["temperature"].partition(".")
        return int(whole), int(hundredths), int(told["humidity"]), int(told["voltage"][2:]), told["door"]

    def _answer(self, topic: str, payload: bytes, now: float) -> None:
        last = self._last.get(topic)
        if last is None:
            self.found[topic] = payload
            if len(self.found) == sum(map(bool, self._final)):
                self.all_found.set()
            return
        number = int(payload[13 : payload.index(b'"', 13)])
        sent = self._waiting.pop(number, None)
        if sent is None:
            return
        if number < last:
            self.disordered += 1
        self._last[topic] = number
        if b'"code":' in payload[:120]:
            self.refused += 1
        self.answers.append((now, now - sent))
        if not self._waiting:
            self.emptied.set()


async def run(
    port: int, devices: int, window: int, seconds: float, pace: float, warm: float, burst: int, qos: int, check: bool
) -> Outcome:
    """Load the broker at `port`: `window` in flight, or `pace` a second whatever is in flight."""
    loop = asyncio.get_running_loop()
    make = functools.partial(Load, devices, 0 if pace else window, burst, qos)
    _, load = await loop.create_connection(make, "127.0.0.1", port)
    await load.ready
    began = time.perf_counter()
    end = began + warm + seconds
    if pace:
        while (now := time.perf_counter()) < end:
            load.send(int((now - began) * pace) - load.sent)
            await asyncio.sleep(0.001)
    else:
        load.start()
        await asyncio.sleep(warm + seconds)
    load.sending = False
    if load.unanswered:
        load.emptied.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(load.emptied.wait(), LAST)
    if check:
        load.ask()
        with suppress(TimeoutError):
            await asyncio.wait_for(load.all_found.wait(), LAST)
    inside = sorted(latency for at, latency in load.answers if began + warm <= at < end)
    p50, p99 = percentile(inside, 0.5) * 1e3, percentile(inside, 0.99) * 1e3
    return Outcome(
        len(inside) / seconds,
        p50,
        p99,
        load.sent,
        len(load.answers),
        load.refused,
        load.unanswered,
        time.process_time(),
        load.qos,
        load.disordered,
        load.wrong if check else 0,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--warm", type=float, default=1.0)
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--qos", type=int, default=1, choices=(0, 1))
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(run(a.port, a.devices, a.in_flight, a.seconds, a.rate, a.warm, a.burst, a.qos, a.check))
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
