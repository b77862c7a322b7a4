"""`gemelo-sim fleet`: many devices of five kinds on one broker."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from simulator.device import Device
from simulator.duration import seconds
from simulator.kinds import KINDS, manifests, roster
from simulator.record import Record

NAME = "fleet"
HELP = "a fleet of simulated devices that speak the KubeEdge twin topics"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--devices", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--node", default="edge-1", help="node name in the manifests")
    parser.add_argument("--for", dest="duration", type=seconds, help="end after this time (default: never)")
    parser.add_argument("--grace", type=seconds, default=20.0, help="how long to wait for answers at the end")
    parser.add_argument("--record", type=Path, help="append what was sent and heard to this file")
    parser.add_argument(
        "--passwords", type=Path, help="file of lines namespace/name:password, for a broker with rights"
    )
    parser.add_argument(
        "--manifests",
        action="store_true",
        help="print the fleet's manifests for `gemelo apply -f -` and end",
    )


def passwords(file: Path | None) -> dict[str, str]:
    """Device to password; what is not in the file comes without one."""
    lines = file.read_text().split() if file is not None else []
    return dict(line.split(":", 1) for line in lines)


def stop(devices: list[Device]) -> None:
    """Let all devices end."""
    for device in devices:
        device.stop()


async def run(args: argparse.Namespace) -> int:
    """Run the fleet; 1 when something is still unanswered at the end."""
    if args.manifests:
        every = {"apiVersion": "v1", "kind": "List", "items": manifests(args.devices, args.node, args.namespace)}
        json.dump(every, sys.stdout, indent=1, ensure_ascii=False)
        return 0
    record = Record(args.record)
    known = passwords(args.passwords)
    devices = [
        Device(
            args.namespace, name, KINDS[kind](seed), record, args.host, args.port, known.get(f"{args.namespace}/{name}")
        )
        for seed, (name, kind) in enumerate(roster(args.devices))
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, devices)
    print(f"{len(devices)} devices speak to {args.host}:{args.port}", flush=True)
    async with asyncio.TaskGroup() as group:
        for device in devices:
            group.create_task(device.run(args.duration, args.grace), name=device.id)
    waiting = sum(len(device.pending) for device in devices)
    record.close()
    print(f"{sum(device.answered for device in devices)} answered, {waiting} unanswered", flush=True)
    return 1 if waiting else 0
