"""What whoever applies a rule should know of the rules that are there: fights for one twin, and loops."""

from __future__ import annotations

from collections.abc import Mapping

from rules.lint import Neighbours
from rules.manifest.detector import Detector
from twins.errors import Rejected

TOLD = 3
"""Warnings in one answer; `gemelo rule lint` tells all."""


class Rivals:
    """Reads the registry's objects, and looks at those that changed when it is asked."""

    def __init__(self, objects: Mapping[tuple[str, str], object]) -> None:
        self._objects = objects
        self._neighbours = Neighbours()
        self._changed: dict[str, None] = {}

    def forget(self, name: str) -> None:
        """The detector `namespace/name` changed or went."""
        self._changed[name] = None

    def remark(self, name: str) -> str:
        """The warnings, as the end of a line."""
        for changed in self._changed:
            self._look(changed)
        self._changed.clear()
        found = [fault for fault in self._neighbours.faults(name) if fault.level == "warning"]
        more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
        return "".join(f"; warning: {fault}" for fault in found[:TOLD]) + more

    def _look(self, name: str) -> None:
        detector = self._objects.get(("Detector", name))
        if not isinstance(detector, Detector):
            self._neighbours.remove(name)
            return
        try:
            self._neighbours.put(detector)
        except Rejected:  # an older version kept it, and this one cannot read it: it runs no more
            self._neighbours.remove(name)
