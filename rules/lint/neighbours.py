"""Detectors side by side: what is wrong between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rules.lint.conflicts import conflicts
from rules.lint.effects import Effects, Place, effects
from rules.lint.fault import Fault
from rules.lint.loops import loops
from rules.manifest.detector import Detector


class Neighbours:
    """Detectors without errors. To add one costs the same however many there are."""

    def __init__(self) -> None:
        self._known: dict[str, Effects] = {}
        self._readers: dict[str, dict[str, None]] = {}
        self._writers: dict[str, dict[str, None]] = {}

    def put(self, detector: Detector, path: Callable[[str], str] = str) -> None:
        """Add a detector, or put it in place of its older self; `path` as in `effects`."""
        made = effects(detector, path)
        self.remove(detector.id)
        self._known[detector.id] = made
        for read in made.reads:
            self._readers.setdefault(read.place.property, {})[made.rule] = None
        for write in made.writes:
            self._writers.setdefault(write.place.property, {})[made.rule] = None

    def remove(self, name: str) -> None:
        made = self._known.pop(name, None)
        if made is None:
            return
        for index, members in ((self._readers, made.reads), (self._writers, made.writes)):
            for each in members:
                index.get(each.place.property, {}).pop(name, None)

    def faults(self, name: str) -> Iterator[Fault]:
        """Whom the detector `namespace/name` fights with, and the loops it is part of: warnings and infos."""
        one = self._known.get(name)
        if one is None:
            return
        rivals = {each: None for w in one.writes for each in self._writers[w.place.property] if each != name}
        yield from conflicts(one, [self._known[each] for each in rivals])
        yield from loops(one, self._known.__getitem__, self._reading)

    def _reading(self, place: Place) -> list[str]:
        rules = self._readers.get(place.property, {})
        return [each for each in rules if any(read.place.meets(place) for read in self._known[each].reads)]
