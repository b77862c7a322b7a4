"""`gemelo set`: ask something of a device."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from gateway import client
from gateway.objects import device_name, device_path
from twins.errors import Rejected

HELP = "set desired values: gemelo set pump-1 speed=80"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("device", help="namespace/name, or name in the default namespace")
    parser.add_argument("values", nargs="+", metavar="PROPERTY=VALUE")


async def run(args: argparse.Namespace) -> int:
    pairs = [text.partition("=") for text in args.values]
    for name, equals, _ in pairs:
        if not equals:
            raise Rejected(f"{name}: write PROPERTY=VALUE, such as speed=80")
    async with client.Client(args) as api:
        for name, _, value in pairs:
            path = f"/devices/{device_path(args.device)}/desired/{quote(name, safe='')}"
            await api.call("PUT", path, json={"value": value})
            print(f"{device_name(args.device)} {name} desired {value}")
    return 0
