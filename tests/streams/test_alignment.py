"""Alignment against its definition, computed anew from all points after each step."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.making import SECOND, START, Bench, point, query
from tests.streams.oracle import Value

EVERY, GAP = 4 * SECOND, 10 * SECOND
NAMES = ("t", "u")
steps = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(-24, 16), st.integers(-40, 40)), max_size=30)


def value(method: str, points: list[Value], tick: int) -> float | None:
    """What a series has at a tick."""
    ordered = sorted(points)
    before = [p for p in ordered if p[0] <= tick]
    after = [p for p in ordered if p[0] > tick]
    match method:
        case "last":
            return before[-1][2] if before and tick - before[-1][0] <= GAP else None
        case "mean":
            within = [v for at, _, v in ordered if tick <= at < tick + EVERY]
            return math.fsum(within) / len(within) if within else None
    if before and before[-1][0] == tick:
        return before[-1][2]
    if not before or not after or after[0][0] - before[-1][0] > GAP:
        return None
    (left, _, low), (right, _, high) = before[-1], after[0]
    return low + (high - low) * (tick - left) / (right - left)


def reach(method: str, at: int) -> list[int]:
    """The ticks that a point may change."""
    first = at // EVERY * EVERY
    near = range(first - GAP // EVERY * EVERY - EVERY, first + GAP + EVERY + 1, EVERY)
    match method:
        case "last":
            return [tick for tick in near if at <= tick <= at + GAP]
        case "mean":
            return [first]
    return [tick for tick in near if abs(tick - at) <= GAP]


@pytest.mark.parametrize("method", ["last", "linear", "mean"])
@given(drawn=steps, bound=st.sampled_from([0, 3]), late=st.sampled_from([0, 6, 30]))
@settings(max_examples=50, deadline=None)
def test_rows_are_as_defined_after_every_step(
    method: str, drawn: list[tuple[str, int, int]], bound: int, late: int
) -> None:
    align = {"every": "4s", "method": method, "maxGap": "10s"}
    bench = Bench(query(align=align, **{"from": [{"property": n} for n in NAMES]}, outOfOrder=bound, lateness=late))
    wait = {"last": 1, "linear": GAP + 1, "mean": EVERY}[method]
    kept: dict[str, list[Value]] = {}
    newest: dict[str, int] = {}
    told: dict[tuple[str, int], float] = {}
    over: set[int] = set()
    mark, latest = -math.inf, 100.0
    for number, (name, offset, height) in enumerate(drawn):
        at = latest + offset / 2
        latest = max(latest, at)
        p = point(at, height / 4, name=name, seq=number)
        bench.take(p, now=0)
        newest[name] = max(p.at, newest.get(name, p.at))
        mark = max(mark, min(newest.values()) - bound * SECOND)
        ticks = reach(method, p.at)
        if any(tick + wait + late * SECOND > mark for tick in ticks):
            assert p.number is not None
            kept.setdefault(name, []).append((p.at, p.seq, p.number))
            over |= {tick for tick in ticks if tick + wait + late * SECOND <= mark}
        for series, points in kept.items():
            for tick in {tick for at_, _, _ in points for tick in reach(method, at_)} - over:
                key = (f"default/d1/{series}.q", tick)
                now = value(method, points, tick)
                if now is not None and tick + wait <= mark and (key not in told or tick + wait + late * SECOND > mark):
                    told[key] = now
        found: dict[tuple[str, int], Any] = {}
        for result in sorted(bench.results, key=lambda r: r.point.seq):
            found[result.point.series, result.point.at] = result.point.number
        assert found == pytest.approx(told)


def test_rows_are_wide_and_a_gap_leaves_a_value_out() -> None:
    align = {"every": "10s", "method": "last", "maxGap": "15s"}
    bench = Bench(query("row", align=align, **{"from": [{"property": "t"}, {"property": "u"}]}, idle="60s"))
    for at in range(0, 60, 5):
        bench.take(point(at, float(at)), now=at)
        if at < 20:
            bench.take(point(at, -1.0, name="u"), now=at)
    bench.until(200)
    assert bench.stored("default/d1/t.row") == [(t, float(min(t, 55))) for t in range(0, 71, 10)]
    assert bench.stored("default/d1/u.row") == [(0, -1.0), (10, -1.0), (20, -1.0), (30, -1.0)]


def test_complete_rows_have_a_value_of_every_series() -> None:
    align = {"every": "10s", "method": "mean", "complete": True}
    bench = Bench(query("row", align=align, **{"from": [{"property": "t"}, {"property": "u"}]}))
    for at in (0, 12, 23, 31):
        bench.take(point(at, float(at)), point(at, 1.0, name="u") if at != 12 else point(at, 2.0))
    bench.until(500)
    assert {at for at, _ in bench.stored("default/d1/t.row")} == {0, 20, 30}
    assert {at for at, _ in bench.stored("default/d1/u.row")} == {0, 20, 30}


def test_several_devices_are_put_on_one_clock() -> None:
    bench = Bench(query("row", align={"every": "10s"}, key="all"))
    bench.take(point(1, 1.0), point(2, 2.0, device="d2"), point(11, 3.0), point(12, 4.0, device="d2"))
    assert bench.stored("default/d1/t.row") == [(10, 1.0)]
    assert bench.stored("default/d2/t.row") == [(10, 2.0)]
    assert START % (10 * SECOND) == 0
