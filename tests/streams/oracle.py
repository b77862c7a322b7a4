"""Windows as their definition says, computed anew from all points after each step: slow, and plainly right."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

Value = tuple[int, int, float]


class Sources:
    """The watermark of one key: how far each of its series has come."""

    def __init__(self, bound: int, idle: int) -> None:
        self.bound = bound
        self.idle = idle
        self.mark = -math.inf
        self.newest: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.asleep: set[str] = set()

    def hear(self, series: str, at: int, now: int) -> None:
        self.newest[series] = max(at, self.newest.get(series, at))
        self.heard[series] = now
        self.asleep.discard(series)
        self.advance()

    def advance(self) -> None:
        awake = [at for series, at in self.newest.items() if series not in self.asleep]
        if awake:
            self.mark = max(self.mark, min(awake) - self.bound)

    def rest(self, now: int) -> None:
        self.asleep |= {series for series, heard in self.heard.items() if heard + self.idle <= now}
        if self.asleep == self.newest.keys():
            clocks = [at + now - self.heard[series] for series, at in self.newest.items()]
            self.mark = max(self.mark, min(clocks) - self.bound)
        self.advance()


def aggregates(values: Sequence[Value], names: Sequence[str]) -> dict[str, float]:
    """The aggregates of some points, each by its definition."""
    ordered = sorted(values)
    numbers = [value for _, _, value in ordered]
    (first_at, _, first), (last_at, _, last) = ordered[0], ordered[-1]
    made: dict[str, float | None] = {
        "n": float(len(numbers)),
        "sum": math.fsum(numbers),
        "mean": statistics.fmean(numbers),
        "min": min(numbers),
        "max": max(numbers),
        "first": first,
        "last": last,
        "spread": statistics.stdev(numbers) if len(numbers) > 1 else None,
        "delta": last - first if len(numbers) > 1 else None,
        "rate": (last - first) / ((last_at - first_at) / 1e6) if last_at > first_at else None,
        "p50": quantile(numbers, 0.5),
        "p95": quantile(numbers, 0.95),
    }
    return {name: value for name in names if (value := made[name]) is not None}


def quantile(numbers: Sequence[float], part: float) -> float:
    """Between the two nearest ranks."""
    ordered = sorted(numbers)
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


Spans = Callable[[list[Value]], list[tuple[int, int, list[Value]]]]
"""All windows that some points fill, as (start, end, points)."""


class Windows:
    """One key's windows of one kind; `told` maps a window's start to its points as they were told last."""

    def __init__(self, spans: Spans, late: int) -> None:
        self.spans = spans
        self.late = late
        self.points: list[Value] = []
        self.told: dict[int, list[Value]] = {}
        self.over: set[int] = set()
        self.before = -math.inf

    def take(self, point: Value, mark: float) -> None:
        """Take a point unless all windows that it would be in are over for good: those stay as they are."""
        mine = [(start, end) for start, end, points in self.spans([*self.points, point]) if point in points]
        over = {start for start, end in mine if end + self.late <= mark}
        if len(over) < len(mine):
            self.points.append(point)
            self.over |= over

    def tell(self, mark: float) -> None:
        """What holds after a step; what is over for good stays as it was."""
        for start, end, points in self.spans(self.points):
            fresh = start not in self.told or end > self.before
            if end <= mark and start not in self.over and (fresh or end + self.late > mark):
                self.told[start] = points
        self.before = mark

    def waits(self, mark: float) -> bool:
        """Whether some window is open."""
        return any(end > mark for _, end, _ in self.spans(self.points))


class Sliding(Windows):
    """A point that is taken changes all windows that it is in."""

    def take(self, point: Value, mark: float) -> None:
        if point[0] + self.late >= mark:
            self.points.append(point)

    def tell(self, mark: float) -> None:
        self.told |= {at: points for at, _, points in self.spans(self.points) if at <= mark}


class Sessions(Windows):
    """A session that is over for good is joined by nothing any more."""

    def tell(self, mark: float) -> None:
        super().tell(mark)
        over = [point for _, end, points in self.spans(self.points) if end + self.late <= mark for point in points]
        self.points = [point for point in self.points if point not in over]


def grid(size: int, step: int) -> Spans:
    def spans(points: list[Value]) -> list[tuple[int, int, list[Value]]]:
        starts = {at // step * step - back for at, _, _ in points for back in range(0, size, step)}
        return [(s, s + size, [p for p in points if s <= p[0] < s + size]) for s in sorted(starts)]

    return spans


def sliding(size: int) -> Spans:
    def spans(points: list[Value]) -> list[tuple[int, int, list[Value]]]:
        return [(t, t, [p for p in points if t - size < p[0] <= t]) for t in sorted({at for at, _, _ in points})]

    return spans


def sessions(gap: int) -> Spans:
    def spans(points: list[Value]) -> list[tuple[int, int, list[Value]]]:
        found: list[list[Value]] = []
        for point in sorted(points):
            if found and point[0] - found[-1][-1][0] < gap:
                found[-1].append(point)
            else:
                found.append([point])
        return [(group[0][0], group[-1][0] + gap, group) for group in found]

    return spans
