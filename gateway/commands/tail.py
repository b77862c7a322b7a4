"""`gemelo tail`: values as they come, one line each."""

from __future__ import annotations

import argparse
import fnmatch
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp

from gateway import client
from twins.errors import Unavailable

HELP = "follow values as they come: gemelo tail 'default/pump-*'"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("filter", nargs="?", default="*", help="device ids, with * and ? (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


async def run(args: argparse.Namespace) -> int:
    url, token = client.where(args)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    last: dict[tuple[str, str], int] = {}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{url}/api/v1/live", heartbeat=20) as live,
        ):
            async for message in live:
                for device in json.loads(message.data).get("devices", ()):
                    if fnmatch.fnmatch(device["id"], args.filter):
                        _print(device, last, as_json=args.json)
    except aiohttp.ClientError as error:
        raise Unavailable(f"no gateway answers at {url}: {error}") from None
    return 0


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
            print(f"{at}  {device['id']}  {p['name']} = {p['reported']}{unit}{wanted}", flush=True)
