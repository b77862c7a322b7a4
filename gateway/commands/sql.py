"""`gemelo sql`: ask the store."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import msgspec

from gateway.terminal import client, show
from twins.errors import Rejected

HELP = "ask the store in SQL: tables points, latest, points_1m, points_1h, results, events, twins, devices, nodes"
LIMIT = 1000
ALL = 1_000_000
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
    }
    async with client.Client(args, args.deadline + SPARE) as api:
        if not bulk:
            return _rows(args, await api.call("POST", "/sql", json=asked))
        told, body = await api.fetch("POST", f"/sql?format={args.output}", json=asked)
    if args.output == "csv":
        sys.stdout.write(body.decode())
    else:
        sys.stdout.buffer.write(body)
    return _noticed(told.get("X-Notice", ""))


def _rows(args: argparse.Namespace, answer: dict[str, Any]) -> int:
    columns, rows = answer["columns"], answer["rows"]
    show.show(args, [dict(zip(columns, row, strict=True)) for row in rows], columns, rows)
    return _noticed(answer["notice"])


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
