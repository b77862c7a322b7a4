"""`gemelo delete`: remove an object."""

from __future__ import annotations

import argparse

from gateway import client
from gateway.commands.get import KINDS
from gateway.objects import device_name, device_path

HELP = "delete an object and what it stands for: gemelo delete device pump-1"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("kind", help="device, devicemodel, camera, rule, mapper")
    parser.add_argument("name", help="namespace/name, or name in the default namespace")


async def run(args: argparse.Namespace) -> int:
    kind = KINDS.get(args.kind.lower(), args.kind)
    async with client.Client(args) as api:
        await api.call("DELETE", f"/manifests/{kind}/{device_path(args.name)}")
    print(f"{kind.lower()}/{device_name(args.name)} deleted")
    return 0
