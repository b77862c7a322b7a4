"""`gemelo doctor`: is all that was stored still as it was written, and if not, what is lost."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.config import load
from gateway.sections import Store
from twins.errors import Rejected

if TYPE_CHECKING:
    from store.doctor import Report

HELP = "look at every checksum of the data folder, and say what is lost; a gateway may run meanwhile"


def arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", type=Path, help="gateway.toml whose [store] path is looked at")
    where.add_argument("--path", type=Path, help=f"the data folder itself (default: {Store().path})")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form")


async def run(args: argparse.Namespace) -> int:
    """0 when nothing is lost, 1 when something is."""
    from store.doctor import examine

    folder = args.path or (load(args.config).store.path if args.config else Store().path)
    try:
        report = await asyncio.to_thread(lambda: examine(folder.absolute()))
    except OSError as error:
        raise Rejected(str(error)) from None
    if args.output == "json":
        print(msgspec.json.format(msgspec.json.encode({"sound": report.sound, **msgspec.to_builtins(report)})).decode())
    else:
        _show(report)
    return 0 if report.sound else 1


def _show(report: Report) -> None:
    for finding in report.findings:
        rows = f" ({finding.rows} rows)" if finding.rows else ""
        print(f"{finding.state:9}  {finding.file}: {finding.what}{rows}")
    lost = sum(finding.rows for finding in report.findings if finding.state == "lost")
    verdict = "nothing is lost" if report.sound else f"{lost} rows are lost, as far as is known"
    print(f"{report.segments} segments with {report.rows} rows and {report.blobs} blobs looked at: {verdict}")
