"""`gemelo rule import`: models of AWS IoT Events as rules, with a report of what differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.terminal import client, show
from rules.iotevents import Conversion, Options, convert, read
from rules.iotevents.inputs import sources
from twins.errors import Rejected

HELP = "detector and alarm models of AWS IoT Events as rules, with a report of what differs"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("file", nargs="+", type=Path, help="JSON of describe- or create-, or a CloudFormation template")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("-o", "--output", type=Path, metavar="FILE.yaml", help="write the rules here (default: stdout)")
    goal.add_argument("--apply", action="store_true", help="apply the rules at the gateway")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=DEVICE/PROPERTY[:TYPE]",
        help="where an input, or NAME.path of it, comes from: TempInput=boiler-*/temperature",
    )  # fmt: skip
    parser.add_argument("--key", default="", help='what one instance is, as room-${part(device, "-", 1)}')
    parser.add_argument(
        "--webhook", default="", metavar="URL", help="post to it what went to Lambda, SQS, Firehose, DynamoDB"
    )
    parser.add_argument(
        "--channel", default="", metavar="NAME", help="the Channel for what went to SNS (default: an alert)"
    )
    parser.add_argument("-n", "--namespace", default="default", help="of the rules (default: default)")
    parser.add_argument("--json", action="store_true", help="the report as JSON, with the rules in it")


async def run(args: argparse.Namespace) -> int:
    """0 with the differences named; 1 where a rule would not be accepted as it is: it is written, never applied."""
    options = Options(sources(args.input), args.key, args.namespace, args.webhook, args.channel)
    found = [_converted(place, model, options) for file in args.file for place, model in read(_bytes(file), str(file))]
    _check_names([(place, each.manifest) for place, each in found])
    faulty = any(each.faults for _, each in found)
    manifests = [each.manifest for _, each in found]
    if args.output is not None:
        _write(args.output, manifests)
    if args.json:
        told = [{"file": place, **msgspec.to_builtins(each)} for place, each in found]
        print(show.text_of({"rules": told}, "json"), end="")
    elif args.output is None and not args.apply:
        print(_yaml(manifests), end="")
        print(*(line for place, each in found for line in _report(place, each)), sep="\n", file=sys.stderr)
    else:
        print(*(line for place, each in found for line in _report(place, each)), sep="\n")
    if args.apply and not faulty:
        async with client.Client(args) as api:
            answer = await api.call("POST", "/manifests", json={"kind": "List", "items": manifests})
        print(*map(show.plain, answer["applied"]), sep="\n", file=sys.stderr if args.json else sys.stdout)
    return int(faulty)


def _converted(place: str, model: Any, options: Options) -> tuple[str, Conversion]:
    try:
        return place, convert(model, options)
    except Rejected as error:
        raise Rejected(f"{place}: {error.reason}") from None


def _check_names(found: list[tuple[str, dict[str, Any]]]) -> None:
    """Raise `Rejected` for two models that would become one rule."""
    places: dict[tuple[str, str], str] = {}
    for place, manifest in found:
        name = (manifest["kind"], manifest["metadata"]["name"])
        if name in places:
            raise Rejected(f"{place}: {' '.join(name)} is in {places[name]} too: rename one, or import them apart")
        places[name] = place


def _report(place: str, found: Conversion) -> list[str]:
    """A table: what became of each element, and where it stands."""
    name = found.manifest["metadata"]["name"]
    counts = {verdict: sum(each.verdict == verdict for each in found.findings) for verdict in _VERDICTS}
    rows = [(each.verdict.upper(), each.name, each.path, each.how) for each in found.findings]
    rows += [("MEND", name, "", fault) for fault in found.faults]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    lines = [f"{place}: {found.manifest['kind']} {name}: {told}"]
    lines += ["  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in rows]
    return [show.plain(line) for line in lines]


_VERDICTS = ("taken", "differs", "not taken")


def _yaml(manifests: list[dict[str, Any]]) -> str:
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """YAML without aliases, which `gemelo apply` does not take."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write(file: Path, manifests: list[dict[str, Any]]) -> None:
    try:
        file.write_text(_yaml(manifests), "utf-8")
    except OSError as error:
        raise Rejected(f"{file}: cannot be written: {error.strerror}") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Rejected(f"{file}: cannot be read: {error.strerror}") from None
