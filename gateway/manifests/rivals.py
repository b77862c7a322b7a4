"""What whoever applies a rule should know of the rules that are there: fights for one twin, and loops."""

from __future__ import annotations

from rules.lint import Neighbours
from rules.manifest.detector import Detector
from twins.errors import Rejected

TOLD = 3
"""Warnings in one answer; `gemelo rule lint` tells all."""


class Rivals:
    """The detectors that hold. They are taken up one by one as they come, so that no answer waits for all of them."""

    def __init__(self) -> None:
        self._neighbours = Neighbours()

    def learn(self, name: str, manifest: object) -> None:
        """The detector `namespace/name` changed; `None` when it went."""
        self._neighbours.remove(name)
        if isinstance(manifest, Detector):
            try:
                self._neighbours.put(manifest)
            except Rejected:  # an older version kept it, and this one cannot read it: it does nothing
                return

    def remark(self, name: str) -> str:
        """The warnings, as the end of a line."""
        found = [fault for fault in self._neighbours.faults(name) if fault.level == "warning"]
        more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
        return "".join(f"; warning: {fault}" for fault in found[:TOLD]) + more
