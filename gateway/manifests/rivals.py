"""What whoever applies a rule should know of the rules that are there: fights for one twin, and loops."""

from __future__ import annotations

from rules.alarms import detector, lint
from rules.lint import Neighbours
from rules.manifest.alarm import Alarm
from rules.manifest.detector import Detector
from twins.errors import Rejected

KINDS = ("Detector", "Alarm")
"""The kinds that are rules."""
TOLD = 3
"""Warnings in one answer; `gemelo rule lint` tells all."""


class Rivals:
    """The detectors that hold. They are taken up one by one as they come, so that no answer waits for all of them."""

    def __init__(self) -> None:
        self._neighbours = Neighbours()

    def learn(self, kind: str, name: str, manifest: object) -> None:
        """The rule `namespace/name` changed; `None` when it went."""
        self._neighbours.remove(_detector(kind, name))
        try:
            if isinstance(manifest, Alarm) and not lint.form(manifest):
                self._neighbours.put(detector.detector(manifest), lambda path: lint.place(manifest, path))
            elif isinstance(manifest, Detector):
                self._neighbours.put(manifest)
        except Rejected:  # an older version kept it, and this one cannot read it: it does nothing
            return

    def remark(self, kind: str, name: str) -> str:
        """The warnings, as the end of a line."""
        found = [fault for fault in self._neighbours.faults(_detector(kind, name)) if fault.level == "warning"]
        more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
        return "".join(f"; warning: {fault}" for fault in found[:TOLD]) + more


def _detector(kind: str, name: str) -> str:
    """The id of the detector that a rule is at work."""
    return detector.name(name) if kind == "Alarm" else name
