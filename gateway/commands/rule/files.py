"""Files of rules and of their tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.manifests.documents import ENDINGS, TESTS, Document, documents_of, files_of
from rules import lint
from rules.alarms import lint as alarm_lint
from rules.alarms.detector import detector as alarm_detector
from rules.lint import Fault
from rules.manifest import alarm as alarms
from rules.manifest.detector import Detector, decode
from twins.errors import Rejected

RULES = ("Detector", "Alarm")
"""The kinds of manifests that are rules."""


class Rule(Struct, frozen=True):
    """A rule as it was read. `detector` is what it is at work, `None` where some of the `faults` are errors.

    `place` says where a path of the detector's stands in the manifest.
    """

    id: str
    faults: tuple[Fault, ...]
    detector: Detector | None
    place: Callable[[str], str] = str


def listed(path: Path) -> list[Path]:
    """A file, or those of a folder, tests of rules left out. Raises `Rejected`."""
    try:
        return files_of(path)
    except OSError as error:
        raise Rejected(f"{path}: cannot be read: {error.strerror}") from None


def documents(file: Path) -> list[Document]:
    """What stands in a file. Raises `Rejected`."""
    return documents_of(_read(file), str(file))


def is_rule(data: object) -> bool:
    return isinstance(data, dict) and data.get("kind") in RULES


def read(data: object, where: str) -> Rule:
    """A manifest of a rule with all that is to be said of it alone. Raises `Rejected` for one that has another form."""
    if isinstance(data, dict) and data["kind"] == "Alarm":
        alarm = alarms.decode(data, where)
        faults = alarm_lint.faults(alarm)
        made = None if faults else alarm_detector(alarm)
        return Rule(alarm.id, tuple(faults), made, lambda path: alarm_lint.place(alarm, path))
    detector = decode(data, where)
    faults = lint.faults(detector)
    return Rule(detector.id, tuple(faults or lint.hints(detector)), None if faults else detector)


def rules_of(path: Path) -> list[Detector]:
    """All rules of a file as detectors. Raises `Rejected` also when there is none."""
    found = [_sound(read(data, where), where) for where, data in documents(path) if is_rule(data)]
    if not found:
        raise Rejected(f"{path}: there is no rule in it")
    return found


def rule_of(path: Path) -> Detector:
    """The one rule of a file as a detector. Raises `Rejected`."""
    found = rules_of(path)
    if len(found) > 1:
        raise Rejected(f"{path}: there are {len(found)} rules in it; put the one that is meant into its own file")
    return found[0]


def tests_of(names: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    """The tests in files and folders; a rule's file means the tests beside it. Raises `Rejected`."""
    for path in names:
        for file in _tests(path):
            yield from ((file, data) for _, data in documents(file))


def beside(test: Path) -> Path:
    """The file of the rule that a file of tests belongs to."""
    return test.with_name(Path(test.stem).stem + test.suffix)


def _sound(rule: Rule, where: str) -> Detector:
    if rule.detector is None:
        raise Rejected(f"{where}: {'; '.join(map(str, rule.faults[: lint.SHOWN]))}")
    return rule.detector


def _tests(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix in ENDINGS and Path(p.stem).suffix == TESTS)
        if not found:
            raise Rejected(f"{path}: there are no tests in it: they are called overheat{TESTS}.yaml for overheat.yaml")
        return found
    if Path(path.stem).suffix == TESTS:
        return [path]
    test = path.with_name(f"{path.stem}{TESTS}{path.suffix}")
    if path.exists() and not test.exists():
        raise Rejected(f"{path}: it has no tests: they would be in {test.name} beside it")
    return [test if path.exists() else path]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: cannot be read: {error.strerror}") from None
