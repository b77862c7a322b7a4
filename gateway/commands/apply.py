"""`gemelo apply`: manifests to the gateway."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway import client
from twins.errors import Rejected

HELP = "apply manifests: devices, models of devices, cameras, rules, mappings"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("-f", "--file", action="append", required=True, help="YAML or JSON; a folder, or - for stdin")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        for name, text in _texts(args.file):
            try:
                answer = await api.call("POST", "/manifests", data=text, headers={"Content-Type": "application/yaml"})
            except Rejected as error:
                raise Rejected(f"{name}: {error.reason}", error.code) from None
            for line in answer["applied"]:
                print(line)
    return 0


def _texts(names: list[str]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name in names:
        path = Path(name)
        try:
            if name == "-":
                found.append(("stdin", sys.stdin.buffer.read()))
            elif path.is_dir():
                found += [
                    (str(p), p.read_bytes()) for p in sorted(path.iterdir()) if p.suffix in {".yaml", ".yml", ".json"}
                ]
            else:
                found.append((name, path.read_bytes()))
        except OSError as error:
            raise Rejected(f"{name}: cannot be read: {error.strerror}") from None
    return found
