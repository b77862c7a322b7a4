"""Two versions of a rule over one history, and where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct

from rules.manifest.detector import Detector
from rules.rehearsal.decision import Decision
from rules.rehearsal.stage import Stage
from twins.instructions import Fact


class Pair(Struct, frozen=True):
    """What both versions decided for one instance at one time; `None` where one decided nothing."""

    old: Decision | None
    new: Decision | None

    @property
    def one(self) -> Decision:
        """The one that is there."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def same(self) -> bool:
        return self.old is not None and self.new is not None and self.old.effect == self.new.effect


class Counts(Struct):
    """How many facts were told, and what became of them. `old` and `new` are all decisions of each version."""

    facts: int = 0
    old: int = 0
    new: int = 0
    same: int = 0
    changed: int = 0
    only_old: int = 0
    only_new: int = 0


class Replay:
    """Both versions from a clean start at `start`; what they decide counts from `since`. `old` may be missing."""

    def __init__(self, old: Detector | None, new: Detector, *, zone: str, start: int, since: int) -> None:
        self.counts = Counts()
        self._since = since
        self._old = None if old is None else Stage([old], zone, start)
        self._new = Stage([new], zone, start)

    def tell(self, fact: Fact) -> Iterator[Pair]:
        """The next fact of the history, in order of time; what was decided until then and at it."""
        self.counts.facts += 1
        made = self._new.tell(fact)
        before = [] if self._old is None else self._old.tell(fact)
        return self._pairs(before, made) if made or before else iter(())

    def finish(self, until: int) -> Iterator[Pair]:
        """The history ends; timers go on to its end."""
        made = self._new.advance(until)
        before = [] if self._old is None else self._old.advance(until)
        return self._pairs(before, made)

    def _pairs(self, old: Sequence[Decision], new: Sequence[Decision]) -> Iterator[Pair]:
        places: dict[tuple[int, str], tuple[list[Decision], list[Decision]]] = {}
        for side, members in enumerate((old, new)):
            for each in members:
                if each.at >= self._since:
                    places.setdefault((each.at, each.key), ([], []))[side].append(each)
        for _, (before, after) in sorted(places.items()):
            for pair in (Pair(left, right) for left, right in zip_longest(before, after)):
                self._count(pair)
                yield pair

    def _count(self, pair: Pair) -> None:
        counts = self.counts
        counts.old += pair.old is not None
        counts.new += pair.new is not None
        if pair.old is None:
            counts.only_new += 1
        elif pair.new is None:
            counts.only_old += 1
        elif pair.same:
            counts.same += 1
        else:
            counts.changed += 1
