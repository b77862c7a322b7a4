"""`gemelo sql`: ask the store."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import msgspec

from gateway.terminal import client, show
from gateway.terminal.listing import ago
from twins.errors import Rejected

HELP = "ask the store in SQL: tables points, latest, points_1m, points_1h, results, events, twins, devices, nodes"
LIMIT = 1000
ALL = 1_000_000
SHOWN = 12
"""Nodes that are told of one by one."""
SPARE = 5.0
"""Seconds beside the query's own in which its answer comes."""


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser, "csv", "arrow")
    parser.add_argument("query", help="SELECT …; - reads it from standard input")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="VALUE",
        help="fills the next ? of the query; may be given again; 5, true and null are what JSON says, else it is text",
    )
    several = parser.add_argument_group("several nodes", "whatever of these is given has to fit")
    several.add_argument(
        "--group", default="", help="the nodes of this Group together; in the query: FROM group('NAME')"
    )
    several.add_argument("--near", metavar="LAT,LON,KM", help="nodes within so many kilometres of a place")
    several.add_argument(
        "--where", action="append", default=[], metavar="LABEL=VALUE", help="nodes with this label; may be given again"
    )
    several.add_argument("--all", action="store_true", help="no answer unless all of these nodes answer")
    parser.add_argument("--limit", type=int, help=f"most rows (default {LIMIT}; csv and arrow: all, to {ALL})")
    parser.add_argument("--deadline", type=float, default=10.0, help="seconds it may take (default 10, at most 60)")


async def run(args: argparse.Namespace) -> int:
    bulk = args.output in {"csv", "arrow"}
    if args.output == "arrow" and sys.stdout.isatty():
        message = "an Arrow stream is nothing for a terminal: send it to a file, > answer.arrows"
        raise Rejected(message)
    asked = {
        "query": await asyncio.to_thread(sys.stdin.read) if args.query == "-" else args.query,
        "parameters": [_parameter(word) for word in args.parameter],
        "limit": args.limit or (ALL if bulk else LIMIT),
        "deadline": args.deadline,
        **_choice(args),
    }
    async with client.Client(args, args.deadline + SPARE) as api:
        if not bulk:
            return _rows(args, await api.call("POST", "/sql", json=asked))
        told, body = await api.fetch("POST", f"/sql?format={args.output}", json=asked)
    if args.output == "csv":
        sys.stdout.write(body.decode())
    else:
        sys.stdout.buffer.write(body)
    _told(msgspec.json.decode(told.get("X-Group") or "null"))
    return _noticed(told.get("X-Notice", ""))


def _rows(args: argparse.Namespace, answer: dict[str, Any]) -> int:
    columns, rows = answer["columns"], answer["rows"]
    show.show(args, [dict(zip(columns, row, strict=True)) for row in rows], columns, rows)
    _told(answer.get("group"))
    return _noticed(answer["notice"])


def _choice(args: argparse.Namespace) -> dict[str, Any]:
    """Which nodes are meant, as the API has it."""
    chosen: dict[str, Any] = {}
    if args.group:
        chosen["group"] = args.group
    if args.near:
        try:
            latitude, longitude, km = map(float, args.near.split(","))
        except ValueError:
            raise Rejected(f"--near {args.near}: write latitude, longitude and kilometres: 48.2,16.37,50") from None
        chosen["near"] = {"latitude": latitude, "longitude": longitude, "km": km}
    labels = [word.partition("=") for word in args.where]
    if not all(equals and name for name, equals, _ in labels):
        raise Rejected("--where takes LABEL=VALUE, such as site=north")
    if labels:
        chosen["where"] = {name: value for name, _, value in labels}
    if args.all:
        chosen["require"] = "all"
    return chosen


def _told(group: dict[str, Any] | None) -> None:
    """Who answered, and how fresh that is; who did not, and why."""
    if group is None:
        return
    many = group["answered"] > SHOWN
    if many:
        oldest = min((node["newest"] or 0 for node in group["nodes"] if node["answered"]), default=0)
        print(f"({group['answered']} nodes answered; newest point {ago(oldest)} at least)", file=sys.stderr)
    for node in group["nodes"]:
        if node["answered"] and many:
            continue
        took = f"{node['elapsed_us'] / 1000:.0f} ms"
        if node["answered"]:
            newest = f"newest point {ago(node['newest'] or 0)}"
            words = f"{node['sent']} rows, {node['bytes']} bytes in {took}; {newest}"
        else:
            words = f"no answer after {took}: {node['reason']}"
        print(show.plain(f"({node['node']}: {words})"), file=sys.stderr)
    if group["partial"]:
        print("(not all nodes answered: this is of the others alone; --all refuses that)", file=sys.stderr)


def _noticed(notice: str) -> int:
    if notice:
        print(f"({notice}: --limit)" if "limit" in notice else f"({notice})", file=sys.stderr)
    return 0


def _parameter(word: str) -> Any:
    """What JSON makes of it where that is one value; else the word itself."""
    try:
        value = msgspec.json.decode(word)
    except msgspec.DecodeError:
        return word
    return word if isinstance(value, list | dict) else value
