"""`gemelo sql`: ask the store."""

from __future__ import annotations

import argparse
import sys

from gateway.terminal import client, show

HELP = "ask the store in SQL: tables points, results, events, twins, devices, nodes"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("query", help="SELECT …")
    parser.add_argument("--limit", type=int, default=1000, help="most rows (default 1000)")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        answer = await api.call("POST", "/sql", json={"query": args.query, "limit": args.limit})
    columns, rows = answer["columns"], answer["rows"]
    show.show(args, [dict(zip(columns, row, strict=True)) for row in rows], columns, rows)
    if answer.get("truncated"):
        print(f"({len(rows)} rows shown, there are more: --limit)", file=sys.stderr)
    return 0
