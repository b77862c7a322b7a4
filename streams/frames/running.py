"""The tallies of many windows over the same values, each of which begins and ends no earlier than the one before.

Adding up every window anew costs the square of their number: one late point of a long window would stop the gateway
for half a minute. Sums are kept as whole numbers of 2⁻¹⁰⁷⁴, the least that a double can tell: what leaves takes away
exactly what it brought, and each sum is rounded once.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from twins.sketch import Sketch
from twins.tally import Tally, Value

_BITS = 1074


def tallies(
    values: Sequence[Value], spans: Iterable[tuple[int, int]], *, spread: bool, sketch: bool
) -> Iterator[Tally]:
    """The tallies of `values[start:end]`, with `spread` and `sketch` where they are wanted; quantiles are exact."""
    entered = left = total = squares = 0
    least: deque[int] = deque()
    most: deque[int] = deque()
    ordered: list[float] = []
    for start, end in spans:
        for place in range(entered, end):
            number = values[place][2]
            exact = _exact(number)
            total += exact
            squares += exact * exact if spread else 0
            while least and values[least[-1]][2] >= number:
                least.pop()
            least.append(place)
            while most and values[most[-1]][2] <= number:
                most.pop()
            most.append(place)
            if sketch:
                insort(ordered, number)
        for place in range(left, start):
            number = values[place][2]
            exact = _exact(number)
            total -= exact
            squares -= exact * exact if spread else 0
            if sketch:
                del ordered[bisect_left(ordered, number)]
        entered, left, n = end, start, end - start
        while least[0] < start:
            least.popleft()
        while most[0] < start:
            most.popleft()
        m2 = _rounded(n * squares - total * total, n << 2 * _BITS) if spread else 0.0
        whole = Sketch(ordered) if sketch else None
        yield Tally(
            n, _rounded(total, 1 << _BITS), m2, values[least[0]][2], values[most[0]][2], values[start], values[end - 1],
            whole,
        )  # fmt: skip


def _exact(number: float) -> int:
    """A finite number in units of 2⁻¹⁰⁷⁴."""
    above, below = number.as_integer_ratio()
    return above << (_BITS + 1 - below.bit_length())


def _rounded(above: int, below: int) -> float:
    try:
        return above / below
    except OverflowError:
        return math.inf if above > 0 else -math.inf
