from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.columns import Columns
from store.rollup import BUCKETS, merged, rolled
from store.table import tabulate
from twins.exchange import Point

NAMES = ["default/t-1/temperature", "default/t-1/a", "default/t-2/temperature", "plant/t-1/temperature"]
MINUTE = BUCKETS["1m"]

points = st.builds(
    Point,
    st.sampled_from(NAMES),
    st.integers(-3 * MINUTE, 3 * MINUTE),
    st.integers(0, 3),
    st.none() | st.floats(-1e6, 1e6),
    st.just("text"),
)


def table(some: list[Point]) -> pa.Table:
    return tabulate([Columns.of(some, {name: number for number, name in enumerate(NAMES)})], NAMES, "edge-1")


def by_hand(rows: list[dict[str, Any]], bucket: int) -> dict[tuple[str, int], tuple[float, ...]]:
    """What a rollup says, worked out from each point."""
    groups = defaultdict(list)
    for row in rows:
        if row["value"] is not None:
            at = round(row["time"].timestamp() * 1e6)
            name = f"{row['namespace']}/{row['device']}/{row['property']}"
            groups[name, at // bucket * bucket].append((at, row["value"]))
    found = {}
    for key, group in groups.items():
        values = [value for _, value in group]
        mean = sum(values) / len(values)
        first, last = min(group), max(group)
        spread = sum((value - mean) ** 2 for value in values)
        found[key] = (len(group), sum(values), min(values), max(values), *first, *last, spread)
    return found


def told(rollup: pa.Table) -> dict[tuple[str, int], tuple[float, ...]]:
    def micros(moment: Any) -> int:
        return round(moment.timestamp() * 1e6)

    return {
        (f"{row['namespace']}/{row['device']}/{row['property']}", micros(row["time"])): (
            row["n"],
            row["sum"],
            row["min"],
            row["max"],
            micros(row["first_at"]),
            row["first"],
            micros(row["last_at"]),
            row["last"],
            row["m2"],
        )
        for row in rollup.to_pylist()
    }


def same(one: dict[Any, tuple[float, ...]], other: dict[Any, tuple[float, ...]]) -> bool:
    return one.keys() == other.keys() and all(
        all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-3) for a, b in zip(one[key], other[key], strict=True))
        for key in one
    )


@given(st.lists(points, max_size=60))
def test_a_rollup_says_what_its_points_say(some: list[Point]) -> None:
    whole = table(some)
    for bucket in BUCKETS.values():
        rollup = rolled(whole, bucket)
        assert same(told(rollup), by_hand(whole.to_pylist(), bucket))
        assert len(rollup) == len(told(rollup))


@given(st.lists(points, max_size=60), st.lists(st.integers(0, 2), min_size=60, max_size=60))
def test_parts_in_any_order_merge_to_the_rollup_of_all_points(some: list[Point], places: list[int]) -> None:
    distinct = list({(point.series, point.at, point.seq): point for point in some}.values())
    parts = [table([point for point, place in zip(distinct, places, strict=False) if place == n]) for n in range(3)]
    minutes = merged([rolled(part, MINUTE) for part in parts], MINUTE)
    assert same(told(minutes), by_hand(table(distinct).to_pylist(), MINUTE))
    hours = merged([minutes.slice(len(minutes) // 2), minutes.slice(0, len(minutes) // 2)], BUCKETS["1h"])
    assert same(told(hours), by_hand(table(distinct).to_pylist(), BUCKETS["1h"]))


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_an_infinite_value_spoils_its_own_bucket_alone(bad: float) -> None:
    some = [Point(NAMES[0], at, 0, value, None) for at, value in ((1, 1.0), (2, bad), (MINUTE, 3.0))]
    first, second = rolled(table(some), MINUTE).to_pylist()
    assert (first["n"], first["sum"], first["first"]) == (2, bad, 1.0)
    assert math.isnan(first["m2"])
    assert (second["n"], second["m2"]) == (1, 0.0)


def test_texts_and_no_points_have_no_rollup() -> None:
    assert len(rolled(table([]), MINUTE)) == 0
    assert len(rolled(table([Point(NAMES[0], 1, 1, None, "open")]), MINUTE)) == 0
    assert len(merged([rolled(table([]), MINUTE)], MINUTE)) == 0
