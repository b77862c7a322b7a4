"""How many points a second does the whole gateway store of plain telemetry, four values a message?

A real mosquitto, the gateway with everything that a plain installation runs and a rule that reads every message, and
the sender are processes of their own. The sender is as fast as the broker lets it be at QoS 1; the clock stops when the
last point is stored. Without an answer to give, this is what the gateway can take in.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import cast

import mqtt5

from benches.end_to_end import RULE, manifests
from benches.figures import Figure, show
from benches.stage import ROOT, cpu_seconds, free_port, gateway, waited

VALUES = 4
WINDOW = 512
_BODY = '{"temperature":%d.%02d,"humidity":%d,"voltage":3.%03d,"door":"%s","at":%d,"id":%d}'


def main(quick: bool = False) -> list[Figure]:
    figures = []
    for devices in (10,) if quick else (10, 100, 1000):
        figures += _run(devices, 10_000 if quick else 150_000)
    show("telemetry: plain messages of 4 values at QoS 1, stored", figures)
    return figures


def _run(devices: int, messages: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as name:
        folder, port = Path(name), free_port()
        (folder / "devices.yaml").write_text(manifests(devices), "utf-8")
        sections = (
            f'[broker]\nlisten = "127.0.0.1:{port}"\nanonymous = true\nmax_queued = 1000000\n[log]\nlevel = "error"\n'
        )
        with gateway(folder, sections, "--apply", str(folder / "devices.yaml"), "--apply", str(RULE)) as gemelo:
            before, used = _stored(gemelo.page), cpu_seconds(gemelo.process.pid)
            began = time.perf_counter()
            words = [sys.executable, "-m", "benches.telemetry", str(port), str(devices), str(messages)]
            subprocess.run(words, cwd=ROOT, check=True, timeout=300)
            expected = before + messages * VALUES
            if not waited(lambda: _stored(gemelo.page) >= expected, 120.0):
                sys.exit(f"{expected - _stored(gemelo.page)} points of {messages * VALUES} were not stored")
            seconds = time.perf_counter() - began
            used = cpu_seconds(gemelo.process.pid) - used
    of = f"{devices} devices"
    return [
        Figure(f"{of}: points stored", messages * VALUES / seconds, "/s", "≥ 50,000"),
        Figure(f"{of}: gateway's processor time a message", used / messages * 1e6, "µs"),
    ]


def _stored(page: str) -> int:
    with urllib.request.urlopen(f"{page}/metrics", timeout=10) as reply:
        found = re.search(r"^gemelo_core_points_total (\S+)", reply.read().decode(), re.MULTILINE)
    if found is None:
        sys.exit("the gateway's metrics do not tell its points")
    return int(float(found[1]))


class Sender(asyncio.Protocol):
    """Publishes so many messages, `WINDOW` at most unacknowledged by the broker."""

    def __init__(self, devices: int, messages: int) -> None:
        self._devices = devices
        self._left = messages
        self._under_way = 0
        self._number = 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(mqtt5.ConnectPacket("sender", keep_alive=0).write())

    def data_received(self, data: bytes) -> None:
        data, start = self._rest + data, 0
        while True:
            try:
                packet, size = mqtt5.read(memoryview(data)[start:])
            except IndexError:
                break
            start += size
            self._under_way -= isinstance(packet, mqtt5.PubAckPacket)
        self._rest = data[start:]
        if not self._left and not self._under_way:
            self.done.set_result(None)
            return
        room = min(self._left, WINDOW - self._under_way)
        if room and self._transport is not None:
            self._transport.write(b"".join(self._message() for _ in range(room)))
            self._left -= room
            self._under_way += room

    def _message(self) -> bytes:
        self._number = n = self._number + 1
        now = time.time_ns() // 1_000_000
        body = _BODY % (n % 30, n % 100, n % 101, n % 1000, "open" if n % 2 else "shut", now, n)
        topic = f"gemelo/telemetry/default/thermometer-{n % self._devices}"
        return mqtt5.PublishPacket(topic, body.encode(), qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=n % 65_535 + 1).write()


async def send(port: int, devices: int, messages: int) -> None:
    _, sender = await asyncio.get_running_loop().create_connection(lambda: Sender(devices, messages), "127.0.0.1", port)
    await sender.done


if __name__ == "__main__":
    import uvloop

    uvloop.run(send(*map(int, sys.argv[1:4])))
