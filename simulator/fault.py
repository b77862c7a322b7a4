"""`gemelo-sim fault`: make the stand-in cloud misbehave for a while."""

from __future__ import annotations

import argparse
import sys

from simulator.duration import seconds

NAME = "fault"
HELP = "make the stand-in cloud misbehave: gemelo-sim fault cloud --for 30s"

_KINDS = ("cut", "refuse", "noack", "duplicate", "reorder", "slow", "half-open", "deny")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("target", choices=["cloud"], help="what to break")
    parser.add_argument(
        "--for", dest="seconds", type=seconds, default=10.0, help="how long: 500ms, 30s, 2m (default 10s)"
    )
    parser.add_argument("--kind", choices=_KINDS, default="cut", help="which fault (default %(default)s)")
    parser.add_argument("--api", default="http://127.0.0.1:10003", help="the stand-in's control API")


async def run(args: argparse.Namespace) -> int:
    """Post the fault and print what it does; 1 when the stand-in cannot be reached or refuses."""
    import aiohttp

    try:
        timeout = aiohttp.ClientTimeout(total=5.0)
        asked = {"kind": args.kind, "for": args.seconds}
        async with aiohttp.ClientSession(timeout=timeout) as http, http.post(f"{args.api}/fault", json=asked) as answer:
            told = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        sys.stderr.write(f"no stand-in cloud at {args.api}: {error}; start one with: gemelo-sim cloudcore --data DIR\n")
        return 1
    if answer.status != 200:
        sys.stderr.write(f"the stand-in refused: {told.get('message', told)}\n")
        return 1
    sys.stdout.write(f"{told['kind']} for {told['for']:g} s: {told['meaning']} ({told['links']} cut now)\n")
    return 0
