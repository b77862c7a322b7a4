"""What is kept of the values of one window, of a query or of a rule, and the aggregates made of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from twins.sketch import Sketch

Value = tuple[int, int, float]
"""Time, sequence and value of one point."""
Aggregate = Callable[["Tally"], float | None]


class Tally(Struct, array_like=True, gc=False):
    """Running sums of values that come in any order; two of them merge (Chan's formula for `m2`).

    First and last are by time, and by sequence at the same time. Quantiles need a `sketch`.
    """

    n: int = 0
    total: float = 0.0
    m2: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    first: Value = (0, 0, 0.0)
    last: Value = (0, 0, 0.0)
    sketch: Sketch | None = None

    def add(self, at: int, seq: int, value: float) -> None:
        n = self.n
        if n:
            gap = value - self.total / n
            self.n = n = n + 1
            self.total = total = self.total + value
            self.m2 += gap * (value - total / n)
            if value < self.low:
                self.low = value
            if value > self.high:
                self.high = value
            one = (at, seq, value)
            if one >= self.last:
                self.last = one
            elif one < self.first:
                self.first = one
        else:
            self.n, self.total, self.low, self.high = 1, value, value, value
            self.first = self.last = (at, seq, value)
        if self.sketch is not None:
            self.sketch.add(value)

    def merge(self, other: Tally) -> None:
        if not other.n:
            return
        if self.n:
            n = self.n + other.n
            gap = other.total / other.n - self.total / self.n
            self.m2 += other.m2 + gap * gap * self.n * other.n / n
            self.n, self.total = n, self.total + other.total
            self.low, self.high = min(self.low, other.low), max(self.high, other.high)
            self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        else:
            self.n, self.total, self.m2, self.low, self.high = other.n, other.total, other.m2, other.low, other.high
            self.first, self.last = other.first, other.last
        if self.sketch is not None and other.sketch is not None:
            self.sketch.merge(other.sketch)


def tally_of(values: Sequence[Value], *, spread: bool, sketch: bool) -> Tally:
    """The tally of values in their order; with `spread` and `sketch` only where they are wanted: they cost most."""
    numbers = [value for _, _, value in values]
    n, total = len(numbers), added(numbers)
    mean = total / n
    m2 = added((number - mean) * (number - mean) for number in numbers) if spread else 0.0
    kept = Sketch() if sketch else None
    if kept is not None:
        for number in numbers:
            kept.add(number)
    return Tally(n, total, m2, min(numbers), max(numbers), values[0], values[-1], kept)


def added(numbers: Iterable[float]) -> float:
    """The sum, rounded once; one that no double can tell is infinite, and leads to no result."""
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # ValueError: of infinities of both signs
        return math.inf


def aggregate(name: str) -> Aggregate | None:
    """How an aggregate is made of a tally, by its name; `None` when there is none of that name."""
    if (quantile := _QUANTILE.fullmatch(name)) is not None:
        part = float(quantile[1]) / 100
        return lambda tally: None if tally.sketch is None else tally.sketch.quantile(part)
    return AGGREGATES.get(name)


def is_quantile(name: str) -> bool:
    """True for `p50`, `p99.9`."""
    return _QUANTILE.fullmatch(name) is not None


_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")


def _spread(tally: Tally) -> float | None:
    return math.sqrt(max(0.0, tally.m2) / (tally.n - 1)) if tally.n > 1 else None


def _delta(tally: Tally) -> float | None:
    return tally.last[2] - tally.first[2] if tally.n > 1 else None


def _rate(tally: Tally) -> float | None:
    elapsed = tally.last[0] - tally.first[0]
    return (tally.last[2] - tally.first[2]) / elapsed * 1e6 if elapsed else None


AGGREGATES: dict[str, Aggregate] = {
    "n": lambda tally: float(tally.n),
    "sum": lambda tally: tally.total,
    "mean": lambda tally: tally.total / tally.n,
    "min": lambda tally: tally.low,
    "max": lambda tally: tally.high,
    "first": lambda tally: tally.first[2],
    "last": lambda tally: tally.last[2],
    "spread": _spread,
    "rate": _rate,
    "delta": _delta,
}
"""All but the quantiles. `spread` is the standard deviation of a sample, as SQL's `stddev`; `rate` is a second's."""
