"""Downsampling: how many points stay, and how far what is left is from what came."""

from __future__ import annotations

import math
import random
from itertools import groupby, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.making import SECOND, START, Bench, pipeline, point
from twins.exchange import Point

EVERY = 5
walks = st.lists(st.tuples(st.integers(1, 20), st.integers(-50, 50)), min_size=1, max_size=80)


def series(walk: list[tuple[int, int]]) -> list[Point]:
    """A history in order of time, with gaps."""
    at, made = 0.0, []
    for step, value in walk:
        at += step / 4
        made.append(point(at, value / 10, seq=len(made)))
    return made


def sampled(points: list[Point], method: str) -> list[Point]:
    bench = Bench(pipeline({"sample": {"every": EVERY, "method": method}}))
    bench.take(*points)
    bench.until(10_000)
    return sorted(bench.points, key=lambda p: p.at)


def buckets(points: list[Point]) -> list[list[Point]]:
    return [list(group) for _, group in groupby(points, key=lambda p: p.at // (EVERY * SECOND))]


def number(p: Point) -> float:
    assert p.number is not None
    return p.number


@given(walks)
@settings(deadline=None)
def test_of_minmax_nothing_left_out_lies_outside_of_what_its_bucket_shows(walk: list[tuple[int, int]]) -> None:
    points = series(walk)
    left = sampled(points, "minmax")
    assert set(left) <= set(points)
    shown = {group[0].at // (EVERY * SECOND): [number(p) for p in group] for group in buckets(left)}
    for group in buckets(points):
        values = shown[group[0].at // (EVERY * SECOND)]
        assert len(values) <= 2
        assert (min(values), max(values)) == (min(map(number, group)), max(map(number, group)))


@given(walks)
@settings(deadline=None)
def test_triangles_are_those_of_the_algorithm_over_the_whole_series(walk: list[tuple[int, int]]) -> None:
    points = series(walk)
    first, *rest = points
    groups = buckets(rest)
    expected = [first]
    for group, following in pairwise(groups):
        kept = expected[-1]
        time = sum(p.at - kept.at for p in following) / len(following)
        mean = sum(number(p) - number(kept) for p in following) / len(following)
        areas = [abs((p.at - kept.at) * mean - time * (number(p) - number(kept))) for p in group]
        expected.append(group[areas.index(max(areas))])
    if groups:
        expected.append(groups[-1][-1])
    assert sampled(points, "lttb") == expected


def error(points: list[Point], left: list[Point]) -> float:
    """The area between a series and the line through what is left of it, in value seconds."""
    total, place = 0.0, 0
    for p in points:
        while place + 2 < len(left) and left[place + 1].at < p.at:
            place += 1
        a, b = left[place], left[min(place + 1, len(left) - 1)]
        part = (p.at - a.at) / (b.at - a.at) if b.at > a.at else 0.0
        total += abs(number(a) + (number(b) - number(a)) * min(1.0, part) - number(p))
    return total


def test_triangles_keep_spikes_that_every_nth_point_loses() -> None:
    chance = random.Random(7)
    wave = [math.sin(n / 40) + chance.gauss(0, 0.02) + 5 * (n in {333, 777, 1444}) for n in range(2000)]
    points = [point(n / 2, value, seq=n) for n, value in enumerate(wave)]
    left = sampled(points, "lttb")
    assert len(left) <= 2000 / (2 * EVERY) + 2
    assert sum(number(p) > 3 for p in left) == 3
    nth = [p for p in points if (p.at - START) % (EVERY * SECOND) == 0]
    assert error(points, left) < 3 * error(points, nth)
    assert max(map(number, nth)) < 3


def test_a_full_bucket_ends_early_and_late_points_and_texts_pass() -> None:
    bench = Bench(pipeline({"sample": {"every": "1h"}}))
    bench.take(*(point(n / 100, float(n % 9), seq=n) for n in range(1300)))
    assert len(bench.points) == 2
    bench.take(point(1, "off", seq=5000), point(-4000, 7.0, seq=5001))
    assert [p.seq for p in bench.points[-2:]] == [5000, 5001]
