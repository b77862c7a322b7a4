"""What became of each element of a model, for the person who brings it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["taken", "differs", "not taken"]


class Finding(Struct, frozen=True):
    """One element: its JSON path, what it is called, and what became of it; `how` says what differs, or why not."""

    path: str
    name: str
    verdict: Verdict
    how: str = ""


class Report:
    """Gathers findings, each once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def taken(self, path: str, name: str, how: str = "") -> None:
        self._found[Finding(path, name, "taken", how)] = None

    def differs(self, path: str, name: str, how: str) -> None:
        self._found[Finding(path, name, "differs", how)] = None

    def left(self, path: str, name: str, how: str) -> None:
        """Note what is not taken."""
        self._found[Finding(path, name, "not taken", how)] = None

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._found)
