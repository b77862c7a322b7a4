"""The numbers of one series on a clock. Imports numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from store.uploads.manifest import Align
from twins.duration import microseconds

OnClock = Callable[[Any, Any, int, int], tuple[Any, Any]]
"""Times and numbers of one series, rising, and the first and the last microsecond: ticks within, and their numbers."""
_GAP = 10
"""Ticks that are bridged where nothing is said."""


def on_clock(align: Align) -> OnClock:
    """What a manifest asks for."""
    every = microseconds(align.every)
    gap = every * _GAP if align.max_gap is None else microseconds(align.max_gap)
    method = {"last": _last, "mean": _mean, "linear": _linear}[align.method]

    def aligned(at: Any, value: Any, first: int, last: int) -> tuple[Any, Any]:
        there = ~np.isnan(value)
        at, value = at[there], value[there]
        if not len(at):
            return at, value
        low, high = max(first, int(at[0]) // every * every), min(last, int(at[-1]) + gap)
        ticks = np.arange(-(-low // every) * every, high + 1, every, dtype=np.int64)
        return method(at, value, ticks, every, gap)

    return aligned


def _last(at: Any, value: Any, ticks: Any, _every: int, gap: int) -> tuple[Any, Any]:
    place = np.searchsorted(at, ticks, "right") - 1
    near = (place >= 0) & (ticks - at[np.maximum(place, 0)] <= gap)
    return ticks[near], value[place[near]]


def _mean(at: Any, value: Any, ticks: Any, every: int, _gap: int) -> tuple[Any, Any]:
    low, high = np.searchsorted(at, ticks, "left"), np.searchsorted(at, ticks + every, "left")
    some = high > low
    sums = np.add.reduceat(value, low[some]) if some.any() else value[:0]
    # reduceat goes up to the next bucket's begin, which is this one's end: between buckets with points there are none.
    return ticks[some], sums / (high - low)[some]


def _linear(at: Any, value: Any, ticks: Any, _every: int, gap: int) -> tuple[Any, Any]:
    after = np.searchsorted(at, ticks, "left")
    there = after < len(at)
    ticks, after = ticks[there], after[there]
    before = np.where(at[after] == ticks, after, after - 1)
    near = (before >= 0) & (ticks - at[np.maximum(before, 0)] <= gap) & (at[after] - ticks <= gap)
    ticks, before, after = ticks[near], before[near], after[near]
    apart = np.maximum(at[after] - at[before], 1)
    return ticks, value[before] + (value[after] - value[before]) * ((ticks - at[before]) / apart)
