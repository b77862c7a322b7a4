"""`gemelo node`: who this gateway is to other gateways."""

from __future__ import annotations

import argparse

from gateway.terminal import client, show

HELP = "who this gateway is to others: gemelo node identity > edge-1.yaml"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("identity",), help="identity: print a Node manifest to apply on other nodes")
    client.arguments(parser)
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="form")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        manifest = await api.call("GET", "/node")
    print(show.text_of(manifest, args.output), end="")
    return 0
