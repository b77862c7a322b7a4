"""Outcomes of tests as the XML that build servers read, the form of JUnit's Ant task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from rules.rehearsal.case import Outcome
from twins.errors import Rejected

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to say."""


def report(path: Path, played: Sequence[tuple[str, Outcome, float]]) -> None:
    """Write file, outcome and seconds of each case. Raises `Rejected` when that cannot be written."""
    root = Element("testsuites")
    for file, cases in groupby(played, key=lambda each: each[0]):
        members = list(cases)
        failed = sum(bool(outcome.faults) for _, outcome, _ in members)
        suite = SubElement(
            root, "testsuite", name=_text(file), tests=str(len(members)), failures=str(failed), errors="0",
            time=f"{sum(took for _, _, took in members):.6f}",
        )  # fmt: skip
        for _, outcome, took in members:
            case = SubElement(suite, "testcase", classname=_text(file), name=_text(outcome.case), time=f"{took:.6f}")
            if outcome.faults:
                failure = SubElement(case, "failure", message=_text("; ".join(outcome.faults)))
                failure.text = _text("\n".join([*outcome.faults, *outcome.story]))
    tree = ElementTree(root)
    indent(tree)
    try:
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise Rejected(f"{path}: cannot be written: {error.strerror}") from None


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
