"""`gemelo set`: ask something of a device."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from gateway import client
from gateway.objects import device_name, device_path

HELP = "set desired values: gemelo set pump-1 speed=80"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("device", help="namespace/name, or name in the default namespace")
    parser.add_argument("values", nargs="+", type=pair, metavar="PROPERTY=VALUE")


def pair(text: str) -> tuple[str, str]:
    """`speed=80` as name and value; the value may be empty and may hold further signs of equality."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: write PROPERTY=VALUE, such as speed=80")
    return name, value


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        for name, value in args.values:
            path = f"/devices/{device_path(args.device)}/desired/{quote(name, safe='')}"
            await api.call("PUT", path, json={"value": value})
            print(f"{device_name(args.device)} {name} desired {value}")
    return 0
