"""`gemelo apply`: manifests to the gateway."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.manifests.documents import Document, documents_of, files_of, in_order
from gateway.terminal import client, show
from twins.errors import Rejected

HELP = "apply manifests: devices, models of devices, cameras, rules, mappings"
PART = 512 * 1024
"""Bytes that go to the gateway in one call: it takes all of a call, or nothing."""
MOST = 1000 * 1024
"""Bytes of one manifest: a little less than the gateway reads of one call."""
_PLACE = re.compile(r"manifest: items\[(\d+)\](?=[:.])")


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("-f", "--file", action="append", required=True, help="YAML or JSON; a folder, or - for stdin")


async def run(args: argparse.Namespace) -> int:
    documents = in_order([d for name, text in _texts(args.file) for d in documents_of(text, name)])
    if not documents:
        raise Rejected(f"{', '.join(args.file)}: there is no manifest in it")
    async with client.Client(args) as api:
        for part in _parts(documents):
            body = msgspec.json.encode({"kind": "List", "items": [data for _, data in part]})
            try:
                answer = await api.call("POST", "/manifests", data=body, headers={"Content-Type": "application/json"})
            except Rejected as error:
                raise Rejected(_placed(error.reason, part), error.code) from None
            for line in answer["applied"]:
                print(show.plain(line))
    return 0


def _placed(reason: str, part: list[Document]) -> str:
    """The reason with the place that the person knows in place of that within the call."""
    found = _PLACE.match(reason)
    return reason if found is None else part[int(found[1])][0] + reason[found.end() :]


def _parts(documents: list[Document]) -> Iterator[list[Document]]:
    part: list[Document] = []
    size = 0
    for document in documents:
        length = len(msgspec.json.encode(document[1]))
        if length > MOST:
            raise Rejected(f"{document[0]}: the manifest has {length} bytes; {MOST} are taken", 413)
        if part and size + length > PART:
            yield part
            part, size = [], 0
        part.append(document)
        size += length
    yield part


def _texts(names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        path = Path(name)
        try:
            if name == "-":
                yield "stdin", sys.stdin.buffer.read()
            else:
                yield from [(str(p), p.read_bytes()) for p in files_of(path)]
        except OSError as error:
            raise Rejected(f"{name}: cannot be read: {error.strerror}") from None
