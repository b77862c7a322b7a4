"""How long each series is kept: what the configuration says, and for some series a manifest. Pure, but for a memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import lru_cache

from msgspec import Struct

from store.manifest import Retention
from store.segment import KINDS, ROLLUPS, Kind, Segment

_DAY = 86_400_000_000
NEVER = -(1 << 62)
FOREVER: Mapping[Kind, int] = dict.fromkeys(KINDS, 1 << 62)
"""Nothing goes by age."""


class Policy(Struct, frozen=True):
    """What holds for some series: the age at which each kind goes, in microseconds, and the most bytes of points.

    The one without a name is the configuration's.
    """

    name: str
    ages: Mapping[Kind, int]
    bytes: int | None = None


class Policies:
    """Of several manifests that fit a series the one with the longest pattern holds, then the first by name."""

    def __init__(self, ages: Mapping[Kind, int]) -> None:
        self._ages = ages = outliving(ages)
        self._manifests: dict[str, Retention] = {}
        self._default = Policy("", ages)
        self._patterns: list[tuple[re.Pattern[str], Policy]] = []
        self.version = 0
        """Grows with every change."""
        self.clock: int | None = None
        """The time by which age is told, microseconds UTC; `None` while no clock is believed, and age means nothing."""
        self.floors: dict[str, int] = {}
        """By name of policy: up to where its points have gone for want of space."""
        self.of = lru_cache(maxsize=65_536)(self._of)

    def set(self, name: str, manifest: Retention | None) -> None:
        """A manifest holds, or does not any more."""
        if manifest is None:
            self._manifests.pop(name, None)
        else:
            self._manifests[name] = manifest
        ordered = sorted(self._manifests.items(), key=lambda item: (-len(item[1].spec.series), item[0]))
        self._patterns = [(re.compile(translate(one.spec.series)), self._policy(key, one)) for key, one in ordered]
        self.of.cache_clear()
        self.version += 1

    @property
    def all(self) -> list[Policy]:
        return [self._default, *(policy for _, policy in self._patterns)]

    def horizon(self, policy: Policy, kind: Kind) -> int:
        """What is of before this time has had its days."""
        return NEVER if self.clock is None else self.clock - policy.ages[kind]

    def expired(self, series: str, kind: Kind, now: int) -> int:
        """The time before which points of the series are not even sealed: they would go at once.

        A floor that lies ahead of `now` is no bound: a point of a clock gone wild went, and ends nothing for others.
        """
        policy = self.of(series)
        floor = self.floors.get(policy.name, NEVER) if kind == "points" else NEVER
        return max(self.horizon(policy, kind), floor if floor <= now else NEVER)

    def raise_floors(self, floors: Mapping[str, int]) -> None:
        """Points up to there have gone for want of space."""
        for name, at in floors.items():
            self.floors[name] = max(at, self.floors.get(name, NEVER))

    def outlived(self, segment: Segment) -> bool:
        """True if nothing of the segment can be of use any more, whatever series are in it."""
        return all(segment.last < self.horizon(policy, segment.kind) for policy in self.all)

    def first(self, segments: Iterable[Segment]) -> list[Segment]:
        """In the order in which they go for want of space: what has least of its days left goes first."""
        return sorted(segments, key=lambda one: (one.last + self._ages[one.kind], one.name))

    def _of(self, series: str) -> Policy:
        return next((policy for pattern, policy in self._patterns if pattern.match(series)), self._default)

    def _policy(self, name: str, manifest: Retention) -> Policy:
        spec = manifest.spec
        days: dict[Kind, float | None] = {kind: spec.rollups.get(kind) for kind in ROLLUPS}
        days |= dict.fromkeys(("points", "desired"), spec.days)
        ages = {kind: int(said * _DAY) for kind, said in days.items() if said is not None}
        return Policy(name, outliving({**self._ages, **ages}), None if spec.mib is None else spec.mib << 20)


def outliving(ages: Mapping[Kind, int]) -> Mapping[Kind, int]:
    """The same ages, but that rollups are kept as long as their points at least."""
    return {kind: max(age, ages["points"]) if kind in ROLLUPS else age for kind, age in ages.items()}
