"""`gemelo-sim cloudcore`: run the stand-in until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from simulator.cloudcore.options import Options
from simulator.duration import seconds

NAME = "cloudcore"
HELP = "a stand-in CloudCore (test double): certificates, websocket, devices, faults"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; each default is CloudCore's own."""
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of its certificates, objects and received.jsonl"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--https", type=int, default=10002, help="port of the certificates (default %(default)s)")
    parser.add_argument("--ws", type=int, default=10000, help="port of the websocket (default %(default)s)")
    parser.add_argument(
        "--api", type=int, default=10003, help="port of the control API, loopback (default %(default)s)"
    )
    parser.add_argument("--node", action="append", default=[], help="name of an edge node; may be repeated")
    parser.add_argument("--keepalive", type=float, default=30.0, help="seconds without keepalive before it hangs up")
    parser.add_argument("--resend", type=float, default=5.0, help="seconds before an unacknowledged object is resent")
    parser.add_argument("--sync", type=float, default=5.0, help="seconds between two comparisons with the nodes")
    parser.add_argument("--rules", type=float, default=5.0, help="seconds after its start until it has its rules")
    parser.add_argument(
        "--certificate-life", type=seconds, default=365 * 24 * 3600.0, help="of a node: 30s, 2m (default: a year)"
    )
    parser.add_argument("--keep-first", action="store_true", help="do not lose the first report of each property")


async def run(args: argparse.Namespace) -> int:
    """Serve until interrupted or terminated."""
    from simulator.cloudcore.server import serve  # aiohttp and cryptography are slow to import

    options = Options(
        data=args.data,
        host=args.host,
        https=args.https,
        ws=args.ws,
        api=args.api,
        nodes=tuple(args.node),
        keepalive=args.keepalive,
        resend=args.resend,
        sync=args.sync,
        rules=args.rules,
        lose_first=not args.keep_first,
        certificate_life=args.certificate_life,
    )
    async with serve(options) as cloud:
        _say("stand-in CloudCore (a test double, not KubeEdge's own)")
        _say(f"  certificates {cloud.certificates_url}   link {cloud.link_url}   control {cloud.api_url}")
        _say(f"  token        {options.data / 'token'}")
        _say(f"  received     {options.data / 'received.jsonl'}")
        ended = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, ended.set)
        await ended.wait()
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
