"""`gemelo rule test`: the tests beside rules, in virtual time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from gateway.commands.rule.files import beside, rules_of, tests_of
from gateway.commands.rule.junit import report
from gateway.terminal import show
from rules.rehearsal import manifest
from rules.rehearsal.case import Outcome, play
from twins.errors import Rejected

HELP = "play the tests of rules, overheat.test.yaml beside overheat.yaml, in virtual time; no gateway is needed"


class Played(Struct, frozen=True):
    """A case with its file and how long it took, in seconds."""

    file: Path
    outcome: Outcome
    took: float


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="+", type=Path, help="tests, rules that have tests beside them, or folders")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the outcome as JUnit's XML too")
    parser.add_argument(
        "-k", dest="only", default="", metavar="WORDS", help="only cases with these words in their name"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


async def run(args: argparse.Namespace) -> int:
    """0 when every case holds, 1 when one does not."""
    played = []
    for each in _play(args.file, args.only):
        played.append(each)
        if not args.json:
            _tell(each, first=len(played) == 1 or played[-2].file != each.file)
    if not played:
        raise Rejected(f"no case has {args.only!r} in its name" if args.only else "there is no case in these tests")
    failed = sum(bool(each.outcome.faults) for each in played)
    if args.junit is not None:
        report(args.junit, [(str(each.file), each.outcome, each.took) for each in played])
    if args.json:
        print(show.text_of([_view(each) for each in played], "json"), end="")
    else:
        print(f"{len(played)} tried, {failed} failed")
    return 1 if failed else 0


def _play(files: list[Path], only: str) -> Iterator[Played]:
    for file, data in tests_of(files):
        tests = manifest.decode(data, str(file))
        rules = [file.parent / name for name in tests.rules] or [beside(file)]
        detectors = [each for path in rules for each in rules_of(path)]
        for case in tests.cases:
            if only in case.case:
                began = time.perf_counter()
                try:
                    outcome = play(case, detectors, tests.zone)
                except Rejected as error:
                    raise Rejected(f"{file}: {case.case}: {error.reason}") from None
                yield Played(file, outcome, time.perf_counter() - began)


def _tell(played: Played, *, first: bool) -> None:
    if first:
        print(show.plain(str(played.file)))
    outcome = played.outcome
    print(show.plain(f"  {'FAIL' if outcome.faults else 'ok  '} {outcome.case}"))
    for line in [*outcome.faults, *outcome.story]:
        for each in line.splitlines():
            print(show.plain(f"       {each}"))


def _view(played: Played) -> dict[str, object]:
    outcome = played.outcome
    return {
        "file": str(played.file),
        "case": outcome.case,
        "holds": not outcome.faults,
        "faults": list(outcome.faults),
        "story": list(outcome.story),
    }
