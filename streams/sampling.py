"""Downsampling as points come: the shape of a series in few of its points.

Largest triangle, three buckets (Steinarsson, 2013), over buckets of equal time: of each bucket the point stays that
spans the largest triangle with the point kept before it and the mean of the bucket after it. Lowest and highest: both
of each bucket stay, so that nothing that was left out lies outside of what its bucket shows.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from twins.exchange import Point

Item = tuple[Point, bool]
"""A point, and whether its value was changed on its way."""
MOST = 512
"""Points that a bucket holds; a fuller one ends early."""


class Buckets(Struct, array_like=True):
    """`number` is that of the bucket `current`; `kept` the last point that stayed."""

    number: int = 0
    kept: Point | None = None
    previous: list[Item] = []
    current: list[Item] = []


class Triangles:
    """One point a bucket, the first and, when the series falls silent, the last. Late ones and texts pass."""

    def __init__(self, every: int) -> None:
        self._every = every
        self.read = _read

    def fresh(self) -> Buckets:
        return Buckets()

    def held(self, memory: Buckets) -> int:
        return len(memory.previous) + len(memory.current)

    def take(self, memory: Buckets, item: Item, device: str, name: str) -> list[Item]:
        point = item[0]
        number = point.at // self._every
        if point.number is None:
            return [item]
        if memory.kept is None:
            memory.kept, memory.number = point, number
            return [item]
        if number < memory.number:
            return [item]
        out: list[Item] = []
        if memory.current and (number > memory.number or len(memory.current) >= MOST):
            if memory.previous:
                out.append(self._choose(memory))
            memory.previous, memory.current = memory.current, []
        memory.number = number
        memory.current.append(item)
        return out

    def flush(self, memory: Buckets) -> list[Item]:
        out = [self._choose(memory)] if memory.previous and memory.current else []
        rest = memory.current or memory.previous
        if rest:
            out.append(max(rest, key=_order))
            memory.kept = out[-1][0]
        memory.previous, memory.current = [], []
        return out

    def _choose(self, memory: Buckets) -> Item:
        kept, count = memory.kept, len(memory.current)
        assert kept is not None  # the first point stays
        time = sum(point.at - kept.at for point, _ in memory.current) / count
        mean = sum(_value(point) - _value(kept) for point, _ in memory.current) / count

        def area(item: Item) -> float:
            return abs((item[0].at - kept.at) * mean - time * (_value(item[0]) - _value(kept)))

        chosen = max(memory.previous, key=area)
        memory.kept = chosen[0]
        return chosen


class Extremes:
    """The lowest and the highest point of each bucket, in order of time. Late ones and texts pass."""

    def __init__(self, every: int) -> None:
        self._every = every
        self.read = _read

    def fresh(self) -> Buckets:
        return Buckets()

    def held(self, memory: Buckets) -> int:
        return len(memory.current)

    def take(self, memory: Buckets, item: Item, device: str, name: str) -> list[Item]:
        number = item[0].at // self._every
        if item[0].number is None or (memory.current and number < memory.number):
            return [item]
        out = self.flush(memory) if memory.current and number > memory.number else []
        memory.number = number
        both = [*memory.current, item]
        low, high = min(both, key=_height), max(both, key=_height)
        memory.current = [low] if low is high else sorted((low, high), key=_order)
        return out

    def flush(self, memory: Buckets) -> list[Item]:
        out, memory.current = memory.current, []
        return out


def _value(point: Point) -> float:
    return point.number or 0.0


def _height(item: Item) -> float:
    return _value(item[0])


def _order(item: Item) -> tuple[int, int]:
    return item[0].at, item[0].seq


_read = msgspec.msgpack.Decoder(Buckets).decode
