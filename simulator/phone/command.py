"""`gemelo-sim phone`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.duration import seconds
from simulator.phone.options import PhoneOptions

if TYPE_CHECKING:  # gRPC and Pillow are loaded when a phone runs
    from simulator.phone.report import PhoneReport

NAME = "phone"
HELP = "a phone that offloads inference over gRPC, with real pictures"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--address", default="127.0.0.1:50051", help="the gateway (default %(default)s)")
    parser.add_argument("--device", default="phone-1", help="the phone's name (default %(default)s)")
    parser.add_argument(
        "--pictures", nargs="+", required=True, metavar="PATH", help="files, folders, or FILE@X,Y,W,H around a face"
    )
    parser.add_argument("--fps", type=float, default=10.0, help="pictures a second (default %(default)s)")
    parser.add_argument("--for", dest="duration", type=seconds, help="end after this time (default: never)")
    parser.add_argument("--grace", type=seconds, default=5.0, help="how long to wait for results at the end")
    parser.add_argument("--record", type=Path, help="append what was sent and heard to this file, as JSON lines")
    parser.add_argument("--token-file", type=Path, help="file with the bearer token")
    parser.add_argument("--authority", type=Path, help="certificate authority of the gateway; means TLS")
    parser.add_argument("--model", default="", help="model wanted (default: the gateway's)")
    parser.add_argument("--deadline-ms", type=int, default=0, help="how long a result is of use (default: always)")
    parser.add_argument("--side", type=int, default=224, help="longer side of a crop in pixels (default %(default)s)")
    parser.add_argument("--quality", type=int, default=80, help="JPEG quality (default %(default)s)")
    parser.add_argument("--seed", type=int, help="make the crops repeat")


async def run(args: argparse.Namespace) -> int:
    """Be a phone until the time is over or a signal comes; 1 when a frame has no result, 2 when it was not let in."""
    from simulator.phone.handset import Handset

    try:
        phone = Handset(_options(args))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, phone.stop)
    print(f"{args.device} sends {args.fps:g} pictures/s to {args.address}", flush=True)
    report = await phone.run()
    print(summary(report), flush=True)
    if report.refused:
        print(report.refused, file=sys.stderr)
        return 2
    return 1 if report.lost or not report.connects else 0


def summary(report: PhoneReport) -> str:
    """One line for people."""
    statuses = ", ".join(f"{count} {status}" for status, count in report.statuses.most_common()) or "nothing answered"
    rtt = sorted(report.rtt_us)
    times = (
        f"; round trip p50 {rtt[len(rtt) // 2] / 1000:.1f} ms, p95 {rtt[int(len(rtt) * 0.95)] / 1000:.1f} ms"
        if rtt
        else ""
    )
    return (
        f"{report.captured} pictures, {report.skipped} skipped, {report.sent} sent ({report.bytes} bytes): "
        f"{statuses}, {report.lost} lost{times}"
    )


def _options(args: argparse.Namespace) -> PhoneOptions:
    return PhoneOptions(
        address=args.address,
        pictures=tuple(args.pictures),
        device=args.device,
        fps=args.fps,
        duration=args.duration,
        grace=args.grace,
        record=args.record,
        token=args.token_file.read_text().strip() if args.token_file else "",
        authority=args.authority,
        model=args.model,
        deadline_ms=args.deadline_ms,
        side=args.side,
        quality=args.quality,
        seed=args.seed,
    )
