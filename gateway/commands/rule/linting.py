"""`gemelo rule lint`: everything that is wrong with rules, or looks so, before they are applied."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.commands.rule.files import RULES, Rule, documents, is_rule, listed, read
from gateway.terminal import client, show
from rules import lint
from rules.lint import Fault, Level
from twins.errors import Rejected

HELP = "what is wrong with rules, and between them; no gateway is needed"
LEVELS: tuple[Level, ...] = ("error", "warning", "info")


class Finding(Struct, frozen=True):
    """A fault of one rule, with its file; `rule` is empty where it could not be read so far."""

    file: str
    rule: str
    fault: Fault

    def view(self) -> dict[str, Any]:
        found = self.fault
        return {
            "file": self.file,
            "rule": self.rule,
            "level": found.level,
            "path": found.path,
            "reason": found.reason,
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("file", nargs="+", type=Path, help="files and folders with rules")
    parser.add_argument("--server", action="store_true", help="look at what is applied at a gateway beside them too")
    parser.add_argument("--strict", action="store_true", help="warnings fail too")
    parser.add_argument("--json", action="store_true", help="as JSON")


async def run(args: argparse.Namespace) -> int:
    """0 without errors, 1 with some; `--strict`: without warnings too."""
    rules: dict[str, tuple[str, Rule]] = {}
    found = list(_read(args.file, rules))
    applied = await _applied(args) if args.server else {}
    found += _judged(rules, applied)
    counts: dict[str, int] = {level: sum(each.fault.level == level for each in found) for level in LEVELS}
    if args.json:
        said: dict[str, Any] = {"rules": len(rules), **counts, "faults": [each.view() for each in found]}
        print(show.text_of(said, "json"), end="")
    else:
        for each in found:
            place = f"{each.fault.path}: " if each.fault.path else ""
            print(show.plain(f"{each.file}: {each.fault.level.upper()} {place}{each.fault.reason}"))
        told = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items())
        beside = f" beside {len(applied)} applied" if args.server else ""
        print(f"{len(rules)} rule{'s' * (len(rules) != 1)}{beside}: {told}")
    return 1 if counts["error"] or (args.strict and counts["warning"]) else 0


def _read(files: list[Path], rules: dict[str, tuple[str, Rule]]) -> Iterator[Finding]:
    """Fill in what can be read; what cannot is an error."""
    for file in (file for path in files for file in listed(path)):
        try:
            found = documents(file)
        except Rejected as error:
            yield Finding(str(file), "", Fault("", error.reason.removeprefix(f"{file}: ")))
            continue
        for where, data in found:
            if not isinstance(data, dict) or not is_rule(data):
                continue
            try:
                rule = read(data, where)
            except Rejected as error:
                yield Finding(where, "", Fault(*_split(error.reason.removeprefix(f"{where}: "))))
                continue
            name = f"{data['kind'].lower()}/{rule.id}"
            if name in rules:
                reason = f"{name} is in {rules[name][0]} too: the one that is applied later wins"
                yield Finding(where, rule.id, Fault("metadata.name", reason, "warning"))
            rules[name] = where, rule


def _judged(rules: dict[str, tuple[str, Rule]], applied: dict[str, Rule]) -> Iterator[Finding]:
    neighbours = lint.Neighbours()
    for rule in (applied | {name: rule for name, (_, rule) in rules.items()}).values():
        if rule.detector is not None:
            neighbours.put(rule.detector, rule.place)
    for where, rule in rules.values():
        between = [] if rule.detector is None else neighbours.faults(rule.detector.id)
        for each in sorted([*rule.faults, *between], key=lambda one: LEVELS.index(one.level)):
            yield Finding(where, rule.id, each)


async def _applied(args: argparse.Namespace) -> dict[str, Rule]:
    async with client.Client(args) as api:
        found = {kind: await api.call("GET", f"/manifests/{kind}") for kind in RULES}
    rules = ((kind, read(data, "applied")) for kind, manifests in found.items() for data in manifests)
    return {f"{kind.lower()}/{rule.id}": rule for kind, rule in rules}


def _split(reason: str) -> tuple[str, str]:
    """The path and the reason of a manifest that was refused."""
    path, mark, rest = reason.partition(": ")
    return (path, rest) if mark and " " not in path else ("", reason)
