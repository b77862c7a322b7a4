"""`gemelo events`: what happened, newest last, with its cause."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from gateway.terminal import client, show

HELP = "list what happened: alerts, conflicts, faults"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("-n", type=int, default=20, help="how many (default 20)")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        events = await api.call("GET", "/events")
    events = sorted(events, key=lambda e: e["at"])
    events = events[max(0, len(events) - args.n) :]
    rows = [(_clock(e["at"]), e["severity"], e["object"], e["message"], e["cause"]) for e in events]
    show.show(args, events, ["time", "severity", "object", "message", "cause"], rows)
    return 0


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%H:%M:%S")
