"""Worked sets: each page says how many lines its user writes, and so many they are; its rules are clean and hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rules import lint
from rules.alarms import lint as alarms
from rules.manifest import alarm, detector
from tests.gateway.process import ROOT, invoke

PAGES = sorted((ROOT / "docs" / "worked").glob("*.md"))


def folder(page: Path) -> Path:
    """The manifests of a page."""
    return ROOT / "docs" / "examples" / page.stem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_counts_the_lines_that_its_user_writes_without_comments(page: Path) -> None:
    files = [file for file in folder(page).glob("*.*") if not file.name.endswith(".test.yaml")]
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    told = re.search(r"are (\d+) lines", page.read_text("utf-8"))
    assert told is not None
    assert int(told[1]) == sum(bool(line) and not line.startswith(("#", "-- ")) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_rules_have_no_faults_and_pass_their_tests(page: Path) -> None:
    looked = invoke("rule", "lint", "--strict", str(folder(page)))
    assert (looked.returncode, looked.stderr) == (0, ""), looked.stdout
    tried = invoke("rule", "test", str(folder(page)))
    assert (tried.returncode, tried.stderr) == (0, ""), tried.stdout
    assert re.search(r"^[1-9]\d* tried, 0 failed$", tried.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_rule_that_it_shows_can_be_applied(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for document in yaml.safe_load_all(block):
            if document["kind"] == "Alarm":
                assert alarms.faults(alarm.decode(document)) == []
            if document["kind"] == "Detector":
                assert lint.faults(detector.decode(document)) == []
