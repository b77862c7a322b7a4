"""Quantiles in bounded memory: exact of a few values, then within one percent of the value.

Buckets grow by a constant factor, as in DDSketch (Masson, Rim, Lee, VLDB 2019): a value in a bucket differs from the
bucket's middle by at most `ACCURACY` of itself. Beyond `BUCKETS` the smallest magnitudes share one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

EXACT = 64
"""Values kept as they are."""
ACCURACY = 0.01
BUCKETS = 1024
_FACTOR = (1 + ACCURACY) / (1 - ACCURACY)
_LOG = math.log(_FACTOR)
_ZERO = -(1 << 40)
"""The bucket of zero, and of what is too small to tell from it."""


class Sketch(Struct, array_like=True):
    """`values` while they are few; then `above` and `below` zero, bucket → count."""

    values: list[float] = []
    above: dict[int, int] = {}
    below: dict[int, int] = {}

    def add(self, value: float) -> None:
        if not self.above and not self.below:
            self.values.append(value)
            if len(self.values) <= EXACT:
                return
            self._spread()
        else:
            self._count(value, 1)

    def merge(self, other: Sketch) -> None:
        for value in other.values:
            self.add(value)
        if other.above or other.below:
            self._spread()
            for mine, theirs in ((self.above, other.above), (self.below, other.below)):
                for bucket, count in theirs.items():
                    mine[bucket] = mine.get(bucket, 0) + count
                _shrink(mine)

    def quantile(self, part: float) -> float:
        """The value below which `part` (0..1) of all lie: between two values while exact, else a bucket's middle."""
        if self.values:
            return quantile(sorted(self.values), part)
        rank = round(part * (sum(self.above.values()) + sum(self.below.values()) - 1))
        for middle, count in self._ordered():
            rank -= count
            if rank < 0:
                return middle
        return 0.0

    def _ordered(self) -> Iterator[tuple[float, int]]:
        for bucket in sorted(self.below, reverse=True):
            yield -_middle(bucket), self.below[bucket]
        for bucket in sorted(self.above):
            yield _middle(bucket), self.above[bucket]

    def _spread(self) -> None:
        """Exact no more."""
        for value in self.values:
            self._count(value, 1)
        self.values = []

    def _count(self, value: float, times: int) -> None:
        side = self.below if value < 0 else self.above
        size = abs(value)
        bucket = math.ceil(math.log(size) / _LOG) if size > 1e-300 else _ZERO
        side[bucket] = side.get(bucket, 0) + times
        if len(side) > BUCKETS:
            _shrink(side)


def quantile(ordered: Sequence[float], part: float) -> float:
    """The quantile of values in ascending order, of which there is one at least: between two of them, in proportion."""
    place = part * (len(ordered) - 1)
    low = int(place)
    high = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] + (high - ordered[low]) * (place - low)


def _middle(bucket: int) -> float:
    return 0.0 if bucket == _ZERO else 2 * math.exp(min(bucket * _LOG, 709.0)) / (_FACTOR + 1)


def _shrink(side: dict[int, int]) -> None:
    while len(side) > BUCKETS:
        least, next_least = sorted(side)[:2]
        side[next_least] += side.pop(least)
