"""`gemelo node`: who this gateway is to other gateways."""

from __future__ import annotations

import argparse

import yaml

from gateway.terminal import client, show

HELP = "who this gateway is to others: gemelo node identity > edge-1.yaml"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("identity",), help="identity: print a Node manifest to apply on other nodes")
    client.arguments(parser)
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="form (default yaml)")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        manifest = await api.call("GET", "/node")
    if args.output == "yaml":
        print(yaml.dump(manifest, Dumper=_Lines, sort_keys=False, allow_unicode=True), end="")
    else:
        print(show.text_of(manifest, args.output), end="")
    return 0


class _Lines(yaml.SafeDumper):
    """A text of several lines is written as it is: a certificate stays one."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Lines.add_representer(str, _text)
