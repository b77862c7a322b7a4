"""`gemelo rule diagram`: a rule drawn, with where its machines are now; of a file without a gateway."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from gateway.manifests.documents import documents_of
from gateway.terminal import client
from gateway.terminal.objects import device_path
from rules import diagram, lint
from rules.manifest.detector import Detector, decode
from twins.errors import Rejected

HELP = "a rule drawn, its live states marked: gemelo rule diagram overheat --svg > overheat.svg"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("name", nargs="?", default="", help="namespace/name, or name in the default namespace")
    parser.add_argument("-f", "--file", type=Path, help="draw the rules of this file instead, without a gateway")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--mermaid", action="store_true", help="as Mermaid's text (default)")
    form.add_argument("--svg", action="store_true", help="as SVG")


async def run(args: argparse.Namespace) -> int:
    if bool(args.name) == (args.file is not None):
        raise Rejected("name a rule of the gateway, or a file with -f")
    if args.file is not None:
        draw = diagram.svg if args.svg else diagram.mermaid
        print("\n".join(draw(each) for each in _of(args.file, single=args.svg)), end="")
        return 0
    async with client.Client(args) as api:
        path = f"/detectors/{device_path(args.name, '')}/diagram.{'svg' if args.svg else 'mmd'}"
        _, body = await api.fetch("GET", path)
    print(body.decode(), end="")
    return 0


def _of(file: Path, *, single: bool) -> Iterator[Detector]:
    """The detectors of a file. Raises `Rejected` when there is none, and for several where one is wanted."""
    try:
        documents = [document for _, document in documents_of(file.read_bytes())]
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error.strerror}") from None
    found = [decode(each) for each in documents if isinstance(each, dict) and each.get("kind") == "Detector"]
    if not found or (single and len(found) > 1):
        raise Rejected(f"{file} has {len(found) or 'no'} rules, {'one is wanted' if found else 'no kind: Detector'}")
    for each in found:
        lint.check(each, "UTC")
        yield each
