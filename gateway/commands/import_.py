"""`gemelo import`: histories of other systems into the store of a running gateway."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from gateway.moving.files import rows
from gateway.moving.inbox import Inbox
from gateway.moving.stamp import UNITS
from gateway.moving.table import Layout
from gateway.terminal import client
from gateway.terminal.show import plain
from twins.errors import Rejected, Unavailable
from twins.exchange import Sample

HELP = "bring the history of another system: CSV, lines of JSON, Parquet, InfluxDB's line protocol"
PART = 5000
"""Points that go to the gateway in one call: each call is one turn of its sequencer."""
BYTES = 512 * 1024
LOOK = 1.0
"""Seconds between two looks into a folder."""
SHOWN = 10
"""Bad rows that are told one by one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("file", nargs="+", type=Path, help="files; .gz is read too")
    parser.add_argument(
        "--format", choices=("csv", "json", "parquet", "line"), default="", help="what they are, if not by name"
    )
    parser.add_argument("--device", default="", help="the device of all rows")
    parser.add_argument("--device-column", default="", help="the column, or the tag of a line, that names the device")
    parser.add_argument("--namespace", default="default", help="of devices named without one (default: default)")
    parser.add_argument("--time", default="", help="the column of the time")
    parser.add_argument(
        "--unit", choices=tuple(UNITS), default="", help="what a time that is a number counts since 1970"
    )
    parser.add_argument("--zone", type=_zone, default="UTC", help="the zone of times that name none (default UTC)")
    parser.add_argument("--property", default="", help="the column that names the property")
    parser.add_argument("--value", default="", help="the column of its value")
    parser.add_argument("--columns", default="", help="columns that are properties, with commas (default: all others)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read; they are counted")
    parser.add_argument("--watch", action="store_true", help="FILE is a folder: bring each file that is put there")
    parser.add_argument("--dry-run", action="store_true", help="show the first points and count; keep nothing")


async def run(args: argparse.Namespace) -> int:
    """0 when every row was taken; 1 when bad ones were left out. The same file again changes nothing."""
    if args.dry_run:
        tally = _Tally(skip=args.skip_bad)
        for part in _parts(_samples(args, args.file, tally)):
            for device, name, at, value in part[: max(0, SHOWN - tally.taken)]:
                print(plain(f"{_EPOCH + timedelta(microseconds=at):%F %T.%fZ}  {device}  {name} = {value}"))
            tally.taken += len(part)
        return tally.end("would be kept")
    async with client.Client(args) as api:
        if args.watch:
            return await _watch(api, args)
        return await _bring(api, args, args.file)


async def _bring(api: client.Client, args: argparse.Namespace, files: list[Path]) -> int:
    tally = _Tally(skip=args.skip_bad)
    for part in _parts(_samples(args, files, tally)):
        body = msgspec.json.encode({"points": part})
        try:
            await api.call("POST", "/points", data=body, headers={"Content-Type": "application/json"})
        except Rejected as error:
            raise Rejected(f"{error.reason} (within {tally.place}; {tally.taken} points are kept)") from None
        tally.taken += len(part)
        tally.progress()
    return tally.end("kept")


async def _watch(api: client.Client, args: argparse.Namespace) -> int:
    """Until Ctrl-C: a file that cannot be read is told, and those that come after it are brought."""
    inbox = Inbox(args.file)
    while True:
        for file in inbox.news():
            try:
                await _bring(api, args, [file])
            except Rejected as error:
                print(plain(error.reason), file=sys.stderr)
            except Unavailable as error:
                print(plain(f"{error}; trying again"), file=sys.stderr)
                inbox.again(file)
        await asyncio.sleep(LOOK)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Tally:
    def __init__(self, *, skip: bool) -> None:
        self.rows = self.taken = self.bad = 0
        self.place = ""
        self._skip = skip
        self._began = self._told = time.monotonic()

    def refuse(self, error: Rejected) -> None:
        """Count a bad row, or end at it."""
        reason = f"{self.place}: {error.reason}"
        if not self._skip:
            raise Rejected(f"{reason} ({self.taken} points are kept; --skip-bad goes on)") from None
        self.bad += 1
        if self.bad <= SHOWN:
            print(plain(reason), file=sys.stderr)

    def end(self, verb: str) -> int:
        """Say what was done; the exit code."""
        print(f"{self.taken} points of {self.rows} rows {verb}" + (f", {self.bad} rows left out" if self.bad else ""))
        return 1 if self.bad else 0

    def progress(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._told >= 1.0:
            self._told = now
            print(
                f"\r{self.taken} points, {self.taken / (now - self._began):.0f}/s",
                end="\r",
                file=sys.stderr,
                flush=True,
            )


def _samples(args: argparse.Namespace, files: list[Path], tally: _Tally) -> Iterator[Sample]:
    layout = Layout(
        device=args.device,
        namespace=args.namespace,
        device_column=args.device_column,
        time_column=args.time,
        property_column=args.property,
        value_column=args.value,
        columns=tuple(filter(None, args.columns.split(","))),
        unit=args.unit,
        zone=args.zone,
    )
    for path in files:
        for place, read in rows(path, args.format, layout, lambda said: print(plain(said), file=sys.stderr)):
            tally.rows += 1
            tally.place = place
            try:
                found = read()
            except Rejected as error:
                tally.refuse(error)
            else:
                yield from found


def _parts(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    part: list[Sample] = []
    size = 0
    for sample in samples:
        length = 48 + len(sample[0]) + len(sample[1]) + (6 * len(sample[3]) if isinstance(sample[3], str) else 0)
        if part and (len(part) >= PART or size + length > BYTES):
            yield part
            part, size = [], 0
        part.append(sample)
        size += length
    if part:
        yield part


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{name!r} is no time zone, such as Europe/Madrid") from None
