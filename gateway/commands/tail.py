"""`gemelo tail`: values as they come, one line each."""

from __future__ import annotations

import argparse
import fnmatch
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp

from gateway import client
from gateway.show import plain
from twins.errors import Rejected, Unavailable

HELP = "follow values as they come: gemelo tail 'default/pump-*'"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("filter", nargs="?", default="*", help="device ids, with * and ? (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


async def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C. Raises `Unavailable` when the gateway ends."""
    place = client.where(args)
    last: dict[tuple[str, str], int] = {}
    try:
        async with place.session(None) as session, session.ws_connect(f"{place.url}/api/v1/live", heartbeat=20) as live:
            async for message in live:
                for device in json.loads(message.data).get("devices", ()):
                    if fnmatch.fnmatch(device["id"], args.filter):
                        _print(device, last, as_json=args.json)
    except aiohttp.WSServerHandshakeError as error:
        if error.status in {401, 403}:
            raise Rejected(f"{place.url} wants a token: set GEMELO_TOKEN, or give its gateway.toml with -c") from None
        raise place.absent(error) from None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise place.absent(error) from None
    raise Unavailable(f"the gateway at {place.url} has ended, or closed the stream")


def _print(device: dict[str, Any], last: dict[tuple[str, str], int], *, as_json: bool) -> None:
    for p in device["properties"]:
        key = (device["id"], p["name"])
        if p["reported"] is None or last.get(key) == p["reported_at"]:
            continue
        last[key] = p["reported_at"]
        if as_json:
            print(json.dumps({"device": device["id"]} | p), flush=True)
        else:
            at = datetime.fromtimestamp(p["reported_at"] / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3]
            wanted = f"  (want {p['desired']})" if p["drifts"] else ""
            unit = f" {p['unit']}" if p["unit"] else ""
            print(plain(f"{at}  {device['id']}  {p['name']} = {p['reported']}{unit}{wanted}"), flush=True)
