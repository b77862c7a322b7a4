"""`gemelo-sim ledger`: weigh a run and write the counts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.ledger.balance import Balance

NAME = "ledger"
HELP = "hold the senders' records against the store and the stand-in cloud"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway whose store is read back")
    parser.add_argument("--fleet", type=Path, action="append", default=[], help="record of a fleet; may be repeated")
    parser.add_argument("--phone", type=Path, action="append", default=[], help="record of a phone; may be repeated")
    parser.add_argument("--cloud", type=Path, help="folder of the stand-in cloud")
    parser.add_argument("--cloud-api", default="http://127.0.0.1:10003", help="its control API")
    parser.add_argument("--broker-killed", action="store_true", help="telemetry that the broker had may be gone")
    parser.add_argument("--out", type=Path, help="write the counts here as JSON (default: to the terminal)")


async def run(args: argparse.Namespace) -> int:
    """0 when the books balance, 1 when something is lost, doubled, wrong, strange or missing in the cloud.

    2 when it can't be told: the store or the cloud does not answer.
    """
    import aiohttp

    try:
        balance = await weigh(args)
    except (aiohttp.ClientError, TimeoutError, RuntimeError) as error:
        sys.stderr.write(f"nothing is weighed: {error or 'no answer in time'}; are {args.url} and the cloud there?\n")
        return 2
    text = json.dumps(balance.as_json(), indent=2)
    if args.out is not None:
        args.out.write_text(text + "\n", "utf-8")
    else:
        sys.stdout.write(text + "\n")
    return 0 if balance.sound else 1


async def weigh(args: argparse.Namespace) -> Balance:
    """Gather claims and evidence, and hold one against the other."""
    import aiohttp

    from simulator.ledger.balance import Balance, weigh_cloud, weigh_frames, weigh_points
    from simulator.ledger.claims import Claims, Frames
    from simulator.ledger.evidence import Cloud, Store

    balance = Balance()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        store = Store(args.url, session)
        for path in args.fleet:
            claims = Claims.read(path)
            count, value = await store.points(sorted({m.device for m in claims.messages.values()}))
            weigh_points(balance, claims, count, value, broker_killed=args.broker_killed)
            if args.cloud is not None:
                weigh_cloud(balance, claims, await statuses(session, args.cloud_api))
        for path in args.phone:
            frames = Frames.read(path)
            if frames.status:
                device = frames.device if "/" in frames.device else f"default/{frames.device}"
                weigh_frames(balance, frames, await store.results(device))
        balance.decided, twice = await store.decisions()
        balance.doubled += twice
    if args.cloud is not None:
        cloud = Cloud.read(args.cloud)
        balance.sent_to_cloud, balance.confirmed_by_cloud = cloud.sent, cloud.confirmed
        balance.doubled += cloud.backwards
    return balance


async def statuses(session: object, api: str) -> dict[tuple[str, str], str]:
    """Device and property to the value that the cloud's DeviceStatus shows."""
    import aiohttp

    assert isinstance(session, aiohttp.ClientSession)
    async with session.get(f"{api}/devicestatuses") as answer:
        listed = await answer.json(content_type=None)
    found: dict[tuple[str, str], str] = {}
    for item in listed["items"]:
        device = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for twin in item.get("status", {}).get("twins") or ():
            found[device, twin["propertyName"]] = (twin.get("reported") or {}).get("value", "")
    return found
