"""`gemelo check`: everything a person gets wrong, each with one command to mend it."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from gateway.check import as_json, check, exit_code, table

HELP = "look at everything a person gets wrong, and say how to mend it"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, help="gateway.toml to check (default: all defaults)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")


async def run(args: argparse.Namespace) -> int:
    """0 when nothing stands in the way, 1 when something does."""
    findings = await asyncio.to_thread(check, args.config)
    if args.output == "json":
        print(as_json(findings))
    else:
        from rich.console import Console

        Console().print(table(findings))
    return exit_code(findings)
