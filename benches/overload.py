"""Twice of what the gateway can do, for a minute: does what it accepts stay quick, and is every message accounted for?

The gateway's own mosquitto, with its limits. At QoS 0 the gateway's bounded intake lets messages go and counts them; at
QoS 1 the broker's bounded queue does. Sent = answered + let go by the gateway + let go by the broker, exactly.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

import aiomqtt

from benches.end_to_end import RULE, load, manifests
from benches.figures import Figure, show
from benches.load import Outcome
from benches.stage import OFF, Running, free_port, gateway

DEVICES = 10


def main(quick: bool = False) -> list[Figure]:
    figures = [figure for qos in (0, 1) for figure in _run(qos, 4.0 if quick else 60.0)]
    show("overload: twice the capacity offered, through the gateway's own broker", figures)
    return figures


def _run(qos: int, seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as name:
        folder, port = Path(name), free_port()
        (folder / "devices.yaml").write_text(manifests(DEVICES), "utf-8")
        sections = f'{OFF}[broker]\nlisten = "127.0.0.1:{port}"\nanonymous = true\n[log]\nlevel = "error"\n'
        arguments = ("--apply", str(folder / "devices.yaml"), "--apply", str(RULE))
        with gateway(folder, sections, *arguments) as gemelo:
            capacity = load(port, DEVICES, 256, 3.0).rate
            before = _let_go(gemelo, port)
            outcome = load(port, DEVICES, 0, seconds, 2 * capacity, "--qos", str(qos))
            after = _let_go(gemelo, port)
    return _figures(f"overload at QoS {qos}", capacity, seconds, outcome, after[0] - before[0], after[1] - before[1])


def _figures(name: str, capacity: float, seconds: float, o: Outcome, ours: int, brokers: int) -> list[Figure]:
    return [
        Figure(f"{name}: capacity, 256 in flight", capacity, "msg/s"),
        Figure(f"{name}: offered", o.sent / (seconds + 1), "msg/s"),
        Figure(f"{name}: answered", o.rate, "msg/s"),
        Figure(f"{name}: p50 of the answered", o.p50, "ms"),
        Figure(f"{name}: p99 of the answered", o.p99, "ms", "≤ 1000"),
        Figure(f"{name}: let go by the gateway", ours, ""),
        Figure(f"{name}: let go by the broker", brokers, ""),
        Figure(f"{name}: of {o.sent} sent unaccounted for", o.sent - o.answered - ours - brokers, "", "0"),
    ]


def _let_go(gemelo: Running, port: int) -> tuple[int, int]:
    """What the gateway and its broker have let go since their start."""
    with urllib.request.urlopen(f"{gemelo.page}/metrics", timeout=10) as reply:
        said = reply.read().decode()
    found = re.findall(r"^gemelo_(?:mqtt_overflowed|link_dropped)_total (\S+)", said, re.MULTILINE)
    if len(found) != 2:
        sys.exit("the gateway's metrics do not tell what it let go")
    return sum(map(int, map(float, found))), asyncio.run(_dropped(port))


async def _dropped(port: int) -> int:
    """mosquitto's own count, which it tells every ten seconds if it is another."""
    told = 0
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("$SYS/broker/publish/messages/dropped")
        with suppress(TimeoutError):
            async with asyncio.timeout(12):
                async for message in client.messages:
                    told = int(message.payload if isinstance(message.payload, bytes) else 0)
    return told


if __name__ == "__main__":
    main("--quick" in sys.argv)
