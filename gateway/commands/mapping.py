"""`gemelo mapping`: what a mapping makes of a message, without a gateway or a broker."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from gateway.manifests.documents import documents_of
from twins.errors import Rejected
from twins.schema import decode
from twins.stimuli import Seen

HELP = "try a mapping: gemelo mapping test -f mapping.yaml --topic T --payload P"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("test",), help="test: show what would be reported, and change nothing")
    parser.add_argument("-f", "--file", type=Path, required=True, help="YAML or JSON with one or more mappings")
    parser.add_argument("--topic", required=True, help="the topic that the message comes on")
    message = parser.add_mutually_exclusive_group(required=True)
    message.add_argument("--payload", help="the message as text")
    message.add_argument("--payload-file", type=Path, help="a file that holds the message; - for stdin")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")


async def run(args: argparse.Namespace) -> int:
    """0 when something would be reported; 1 when nothing would, or the message is refused."""
    mappings = Mappings()
    for where, data in documents_of(_read(args.file), str(args.file)):
        mapping = decode(data, Mapping, where)
        mappings.apply(mapping.id, mapping)
    now = time.time_ns() // 1000
    found = list(_found(mappings, args.topic, _payload(args), now))
    if args.output == "json":
        print(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
        return 0 if found else 1
    for each in found:
        print(f"{each.device}  at {each.at}")
        for name, value in each.reported.items():
            print(f"  {name} = {value}")
    if not found:
        print(f"nothing would be reported; heard is {', '.join(sorted(mappings.filters))}", file=sys.stderr)
    return 0 if found else 1


class _Shown(Struct):
    """What would be reported of one device, values with their units."""

    device: str
    at: str
    reported: dict[str, str]


def _found(mappings: Mappings, topic: str, payload: bytes, now: int) -> Iterator[_Shown]:
    for update in mappings.read(topic, payload, "", now):
        if isinstance(update, Seen):
            yield _Shown(update.device, _time(update.seen), {"state": update.state})
            continue
        values = {}
        for name, edit in update.edits.items():
            unit = mappings.unit(update.device, name)
            values[name] = f"{edit.reported if edit is not None else ''}{' ' if unit else ''}{unit}"
        yield _Shown(update.device, _time(update.at), values)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds")


def _payload(args: argparse.Namespace) -> bytes:
    return str(args.payload).encode() if args.payload is not None else _read(args.payload_file)


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: cannot be read: {error.strerror}") from None
