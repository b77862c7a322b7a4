"""`gemelo set`: ask something of a device."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing

from gateway.terminal import client
from gateway.terminal.objects import device_name, device_path
from gateway.terminal.stream import changes
from twins.errors import Rejected

HELP = "set desired values: gemelo set pump-1 speed=80"
LATE = 4
"""Exit code when the device has not reported the values in time."""


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("-n", "--namespace", default="", help="namespace of a name without one (default: default)")
    parser.add_argument("device", help="namespace/name, or name in the default namespace")
    parser.add_argument("values", nargs="+", type=pair, metavar="PROPERTY=VALUE", help="all are asked, or none")
    parser.add_argument("--wait", action="store_true", help="wait until the device reports the values")
    parser.add_argument("--deadline", type=_seconds, default=30.0, help="seconds to wait at most (default 30)")


def pair(text: str) -> tuple[str, str]:
    """`speed=80` as name and value; the value may be empty and may hold further signs of equality."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: write PROPERTY=VALUE, such as speed=80")
    return name, value


async def run(args: argparse.Namespace) -> int:
    """All values are asked, or none."""
    device, values = device_name(args.device, args.namespace), dict(args.values)
    if len(values) < len(args.values):
        raise Rejected("a property is there twice: which of its values is meant?")
    async with client.Client(args) as api:
        await api.call("PUT", f"/devices/{device_path(device)}/desired", json={"values": values})
    for name, value in values.items():
        print(f"{device} {name} desired {value}", flush=True)
    if not args.wait:
        return 0
    missing = dict(values)
    try:
        async with asyncio.timeout(args.deadline):
            await _reported(client.where(args), device, missing)
    except TimeoutError:
        said = ", ".join(f"{name}={value}" for name, value in missing.items())
        print(
            f"gemelo: {device} has not reported {said} within {args.deadline:g} s; it is still asked", file=sys.stderr
        )
        return LATE
    return 0


async def _reported(place: client.Place, device: str, missing: dict[str, str]) -> None:
    """Return when the device reported all; takes away from `missing` what it did. `Rejected` if another asks else."""
    async with aclosing(changes(place)) as stream:
        async for message in stream:
            members = message["members"]
            if members and device not in members["devices"]:
                raise Rejected(f"{device} was deleted meanwhile")
            for p in next((d["properties"] for d in message["devices"] if d["id"] == device), ()):
                if (value := missing.get(p["name"])) is None:
                    continue
                if p["reported"] == value:
                    del missing[p["name"]]
                    print(f"{device} {p['name']} reported {value}", flush=True)
                elif value and p["desired"] != value:
                    raise Rejected(f"{device} {p['name']}: somebody asked for {p['desired']} meanwhile")
            if not any(missing.values()):  # an empty value asks for nothing, so nothing answers it
                return


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: write seconds, such as 30")
    return seconds
