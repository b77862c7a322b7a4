"""`gemelo-sim`: one subcommand a part. A part is a module with `NAME`, `HELP`, `arguments(parser)` and `run(args)`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys

PARTS = ("fleet", "phone", "cloudcore", "fault", "ledger", "line", "plant")


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """What may be typed; of one part alone where it is known: a phone need not load what a cloud needs."""
    whole = argparse.ArgumentParser(prog="gemelo-sim", description="Simulated devices, phones, cloud and faults.")
    chosen = whole.add_subparsers(dest="part", required=True, metavar="PART")
    for name in (wanted,) if wanted in PARTS else PARTS:
        part = importlib.import_module(f"simulator.{name}")
        sub = chosen.add_parser(part.NAME, help=part.HELP, description=part.HELP)
        part.arguments(sub)
        sub.set_defaults(run=part.run)
    return whole


def main() -> None:
    args = parser(next((a for a in sys.argv[1:] if not a.startswith("-")), None)).parse_args()
    try:
        sys.exit(asyncio.run(args.run(args)))
    except KeyboardInterrupt:
        sys.exit(130)
