"""Detectors as they are drawn now."""

from __future__ import annotations

from typing import Literal

from rules import diagram
from rules.rules import Rules
from twins.errors import Rejected


class Diagrams:
    """Implements `web.diagrams.Diagrams`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def drawn(self, detector: str, form: Literal["svg", "mermaid"]) -> str:
        found = next((view for view in self._rules.views(0) if view.name == detector), None)
        if found is None:
            known = ", ".join(sorted(self._rules.detectors)) or "none"
            raise Rejected(f"there is no detector {detector}; there are: {known}", 404)
        draw = diagram.svg if form == "svg" else diagram.mermaid
        return draw(self._rules.detectors[detector], found.states)
