"""Fewer points of one series. Imports numpy.

Each function takes the times (microseconds, rising) and numbers (NaN for a text) of one series, and gives the places of
those that stay, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from store.uploads.manifest import Sampling
from twins.duration import microseconds

Thin = Callable[[Any, Any], Any]


def thin(sampling: Sampling | None) -> Thin | None:
    """What a manifest asks for; `None` when all points go."""
    if sampling is None:
        return None
    if sampling.every_n is not None:
        step = sampling.every_n
        return lambda at, _value: np.arange(0, len(at), step)
    if sampling.rate is not None:
        every = microseconds(sampling.rate)
        return lambda at, _value: _first_of_each(at // every)
    if sampling.min_max is not None:
        width = microseconds(sampling.min_max)
        return lambda at, value: _beside_texts(value, lambda those: _extremes(at[those] // width, value[those]))
    count = sampling.lttb or 0
    return lambda at, value: _beside_texts(value, lambda those: _largest_triangles(at[those], value[those], count))


def _first_of_each(bucket: Any) -> Any:
    return np.unique(bucket, return_index=True)[1]


def _beside_texts(value: Any, chosen: Callable[[Any], Any]) -> Any:
    """All texts, and those of the numbers that are chosen."""
    numbers = np.flatnonzero(~np.isnan(value))
    kept = np.isnan(value)
    if len(numbers):
        kept[numbers[chosen(numbers)]] = True
    return np.flatnonzero(kept)


def _extremes(bucket: Any, value: Any) -> Any:
    """The first least and the last greatest of each bucket."""
    order = np.lexsort((np.arange(len(value)), value, bucket))
    edge = np.concatenate(([True], np.diff(bucket[order]) != 0, [True]))
    return np.unique(np.concatenate((order[edge[:-1]], order[edge[1:]])))


def _largest_triangles(at: Any, value: Any, count: int) -> Any:
    """Of each bucket the point whose triangle with the one before and the next mean is largest (Steinarsson 2013)."""
    if len(at) <= count:
        return np.arange(len(at))
    x = (at - at[0]).astype(np.float64)
    edges = np.linspace(1, len(at) - 1, count - 1).astype(np.int64)
    chosen = [0]
    for start, end, beyond in zip(edges[:-1], edges[1:], [*edges[2:], len(at)], strict=True):
        last = chosen[-1]
        mean_x, mean_y = x[end:beyond].mean(), value[end:beyond].mean()
        area = np.abs(
            (x[last] - mean_x) * (value[start:end] - value[last]) - (x[last] - x[start:end]) * (mean_y - value[last])
        )
        chosen.append(int(start + np.argmax(np.nan_to_num(area))))
    return np.array([*chosen, len(at) - 1])
