"""`gemelo check`: looks at everything a person gets wrong, within three seconds, with one command to mend each.

findings = check(Path("gateway.toml"))
Console().print(table(findings))           # or print(as_json(findings))
raise SystemExit(exit_code(findings))      # 1 if anything failed; warnings do not count
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.checks import broker, files, machine, network, rights
from gateway.checks.finding import Check, Finding, Machine, Subject, failure, ok
from gateway.config import Config, load, parse
from twins.errors import Rejected

if TYPE_CHECKING:
    from rich.console import RenderableType

CHECKS: tuple[Check, ...] = (
    machine.python,
    machine.sqlite,
    machine.packages,
    machine.memory,
    machine.descriptors,
    machine.clock,
    machine.disk,
    machine.filesystem,
    machine.mosquitto,
    files.data,
    files.mappers,
    files.certificates,
    files.secrets,
    files.models,
    files.manifests,
    rights.mappings,
    network.ports,
    network.exposure,
    broker.broker,
    network.cloud,
    network.cameras,
)

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failure": "[red]✗[/]"}


def check(
    path: Path | None, *, on: Machine | None = None, checks: Sequence[Check] = CHECKS, deadline: float = 2.5
) -> list[Finding]:
    """Check a file (`None`: the defaults) and the machine it is to run on. `deadline` in seconds for all together."""
    config, found = _read(path)
    subject = Subject(config, path or Path("gateway.toml"), on or Machine())
    return found + _all(subject, checks, deadline)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 if anything failed, else 0."""
    return int(any(finding.verdict == "failure" for finding in findings))


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with name, verdict, message and fix."""
    return msgspec.json.format(msgspec.json.encode(findings)).decode()


def table(findings: Sequence[Finding]) -> RenderableType:
    """For the terminal: one line each, the fix below it, and a count."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    rows = Table.grid(padding=(0, 2))
    for finding in findings:
        fix = f"\n[bold]{escape(finding.fix)}[/]" if finding.fix else ""
        rows.add_row(_MARKS[finding.verdict], escape(finding.name), escape(finding.message) + fix)
    counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in _MARKS}
    return Group(rows, f"{counts['ok']} fine, {counts['warning']} to look at, {counts['failure']} wrong")


def _read(path: Path | None) -> tuple[Config, list[Finding]]:
    defaults = parse("", where="defaults", folder=(path or Path("gateway.toml")).absolute().parent)
    if path is None:
        return defaults, [ok("configuration", "the defaults; give a file with -c FILE")]
    try:
        return load(path), [ok("configuration", f"{path}")]
    except Rejected as error:
        message = f"{error.reason}; the rest is checked with the defaults"
        return defaults, [failure("configuration", message, f"${{EDITOR:-vi}} {path}")]


def _all(subject: Subject, checks: Sequence[Check], deadline: float) -> list[Finding]:
    """Each in a daemon thread: a name server that does not answer holds up neither the others nor the end."""
    results: dict[int, list[Finding]] = {}

    def run(index: int, each: Check) -> None:
        try:
            results[index] = list(each(subject))
        except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others found
            name = each.__name__
            results[index] = [
                failure(name, f"cannot be checked: {type(error).__name__}: {error}", "gemelo check -o json")
            ]

    until = time.monotonic() + deadline
    threads = [threading.Thread(target=run, args=(index, each), daemon=True) for index, each in enumerate(checks)]
    for thread in threads:
        thread.start()
    findings: list[Finding] = []
    for index, (thread, each) in enumerate(zip(threads, checks, strict=True)):
        thread.join(max(0.0, until - time.monotonic()))
        late = failure(each.__name__, f"no answer within {deadline:g} s", "gemelo check")
        findings += results.get(index, [late])
    return findings
