"""`gemelo tail`: values as they come, one line each."""

from __future__ import annotations

import argparse
import fnmatch
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from gateway.terminal import client
from gateway.terminal.show import plain, text_of
from gateway.terminal.stream import changes

HELP = "follow values as they come: gemelo tail 'default/pump-*'"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("filter", nargs="?", default="*", help="device ids, with * and ? (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


async def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C. Raises `Unavailable` when the gateway ends."""
    last: dict[tuple[str, str], int] = {}
    async with aclosing(changes(client.where(args))) as stream:
        async for message in stream:
            for device in message["devices"]:
                if fnmatch.fnmatch(device["id"], args.filter):
                    _print(device, last, as_json=args.json)
    return 0


def _print(device: dict[str, Any], last: dict[tuple[str, str], int], *, as_json: bool) -> None:
    for p in device["properties"]:
        key = (device["id"], p["name"])
        if p["reported"] is None or last.get(key) == p["reported_at"]:
            continue
        last[key] = p["reported_at"]
        if as_json:
            print(text_of({"device": device["id"]} | p, "json", indent=None), end="", flush=True)
        else:
            at = datetime.fromtimestamp(p["reported_at"] / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3]
            wanted = f"  (want {p['desired']})" if p["drifts"] else ""
            unit = f" {p['unit']}" if p["unit"] else ""
            print(plain(f"{at}  {device['id']}  {p['name']} = {p['reported']}{unit}{wanted}"), flush=True)
