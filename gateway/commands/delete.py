"""`gemelo delete`: remove objects."""

from __future__ import annotations

import argparse

from gateway.manifests.kinds import kind_named
from gateway.terminal import client
from gateway.terminal.objects import device_name, device_path

HELP = "delete objects and what they stand for: gemelo delete device pump-1"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("-n", "--namespace", default="", help="namespace of names without one (default: default)")
    parser.add_argument(
        "--force", action="store_true",
        help="also what the cloud manages, for it may have forgotten it; what it still has comes again when it is "
        "changed there",
    )  # fmt: skip
    parser.add_argument("kind", help="device, devicemodel, camera, rule, mapper")
    parser.add_argument("name", nargs="+", help="namespace/name, or name in the default namespace")


async def run(args: argparse.Namespace) -> int:
    kind = kind_named(args.kind)
    async with client.Client(args) as api:
        for name in args.name:
            force = "?force=true" if args.force else ""
            await api.call("DELETE", f"/manifests/{kind}/{device_path(name, args.namespace)}{force}")
            print(f"{kind.lower()}/{device_name(name, args.namespace)} deleted{' here' if force else ''}")
    return 0
