"""Windows against their definition, over histories with disorder, repeats, late points, silence and crashes."""

from __future__ import annotations

import random
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.frames import making
from streams.frames.running import tallies
from tests.streams import oracle
from tests.streams.making import SECOND, START, Bench, point, query
from twins.exchange import Point
from twins.tally import tally_of

NAMES = ("n", "sum", "mean", "min", "max", "first", "last", "spread", "delta", "rate", "p50", "p95")
SERIES = (("d1", "t"), ("d1", "u"), ("d2", "t"))
BOTH = [{"property": "t"}, {"property": "u"}]
IDLE = 20

KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "tumbling": ({"tumbling": "10s"}, lambda late: oracle.Windows(oracle.grid(10 * SECOND, 10 * SECOND), late)),
    "hopping": (
        {"hopping": {"size": "12s", "every": "4s"}},
        lambda late: oracle.Windows(oracle.grid(12 * SECOND, 4 * SECOND), late),
    ),
    "sliding": ({"sliding": "6s"}, lambda late: oracle.Sliding(oracle.sliding(6 * SECOND), late)),
    "session": ({"session": "5s"}, lambda late: oracle.Sessions(oracle.sessions(5 * SECOND), late)),
}

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("point"),
            st.integers(0, len(SERIES) - 1),
            st.integers(-24, 12),  # half seconds from the newest of all
            st.integers(-50, 50),
        ),
        st.tuples(st.just("repeat"), st.integers(0, 7), st.just(0), st.just(0)),
        st.tuples(st.just("leap"), st.integers(0, len(SERIES) - 1), st.integers(60, 400), st.just(3)),
        st.tuples(st.just("rest"), st.integers(1, 40), st.just(0), st.just(0)),
    ),
    max_size=40,
)
settings_ = settings(max_examples=50, deadline=None)


class Key:
    def __init__(self, windows: oracle.Windows, bound: int) -> None:
        self.sources = oracle.Sources(bound, IDLE * SECOND)
        self.windows = windows


class Expected:
    """The oracle over all keys, fed with the same steps."""

    def __init__(self, kind: str, key: str, bound: int, late: int) -> None:
        self._make = KINDS[kind][1]
        self._key = key
        self._bound = bound * SECOND
        self._late = late * SECOND
        self._keys: dict[str, Key] = {}
        self._seen: set[tuple[str, int, int]] = set()

    def take(self, p: Point, now: int) -> None:
        if (p.series, p.at, p.seq) in self._seen or p.number is None:
            return
        self._seen.add((p.series, p.at, p.seq))
        prefix = {"series": p.series, "device": p.series.rpartition("/")[0], "all": ""}[self._key]
        key = self._keys.setdefault(prefix, Key(self._make(self._late), self._bound))
        key.sources.hear(p.series, p.at, now)
        key.windows.tell(key.sources.mark)
        key.windows.take((p.at, p.seq, p.number), key.sources.mark)
        key.windows.tell(key.sources.mark)

    def rest(self, now: int) -> None:
        for key in self._keys.values():
            if key.windows.waits(key.sources.mark):
                key.sources.rest(now)
                key.windows.tell(key.sources.mark)

    def rows(self) -> dict[tuple[str, int], float]:
        found = {}
        for prefix, key in self._keys.items():
            base = {"series": f"{prefix}.q.", "device": f"{prefix}/q.", "all": "default/q/"}[self._key]
            for start, points in key.windows.told.items():
                made = oracle.aggregates(points, NAMES)
                found |= {(base + name, start): value for name, value in made.items()}
        return found


def rows(bench: Bench) -> dict[tuple[str, int], float | None]:
    """The newest result of each series and time."""
    newest: dict[tuple[str, int], Point] = {}
    for p in (result.point for result in bench.results):
        if (p.series, p.at) not in newest or newest[p.series, p.at].seq < p.seq:
            newest[p.series, p.at] = p
    return {key: p.number for key, p in newest.items()}


def history(drawn: list[tuple[str, int, int, int]]) -> list[Point | float]:
    """Points, and moments at which idle series are looked for."""
    made: list[Point | float] = []
    newest, now = 100.0, 0.0
    for number, (what, which, offset, value) in enumerate(drawn):
        if what == "rest":
            now += which
            made.append(now)
        elif what == "repeat":
            points = [each for each in made if isinstance(each, Point)][-8:]
            made += points[which : which + 1]
        else:
            device, name = SERIES[which]
            at = newest + offset / 2
            newest = max(newest, at)
            made.append(point(at, value / 4, device=device, name=name, seq=number))
    return made


@pytest.mark.parametrize("key", ["series", "device", "all"])
@pytest.mark.parametrize("kind", KINDS)
@given(drawn=steps, bound=st.sampled_from([0, 3, 10]), late=st.sampled_from([0, 4, 30]))
@settings_
def test_windows_are_as_defined_after_every_step(
    kind: str, key: str, drawn: list[tuple[str, int, int, int]], bound: int, late: int
) -> None:
    spec = {"window": KINDS[kind][0], "outOfOrder": bound, "lateness": late, "idle": IDLE}
    bench = Bench(query(key=key, aggregates=list(NAMES), **{"from": BOTH}, **spec))
    expected = Expected(kind, key, bound, late)
    now = START
    for step in history(drawn):
        if isinstance(step, Point):
            bench.take(step, now=(now - START) / SECOND)
            expected.take(step, now)
        else:
            now = START + round(step * SECOND)
            bench.now = now
            bench._told += bench.streams.expire("query:default/q", now, bench._fresh)
            bench.commit()
            expected.rest(now)
        assert rows(bench) == pytest.approx(expected.rows(), rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("kind", [*KINDS, "count", "aligned"])
@given(drawn=steps, seed=st.integers(0, 1000))
@settings_
def test_what_a_crash_loses_comes_again_and_leads_to_the_same_points(
    kind: str, drawn: list[tuple[str, int, int, int]], seed: int
) -> None:
    """Batches of some points; a crash loses the batch that is not committed, whose points come again."""
    spec: dict[str, Any] = {"outOfOrder": 3, "lateness": 10, "from": BOTH, "key": "device"}
    if kind == "aligned":
        spec |= {"align": {"every": "2s", "method": "linear", "maxGap": "6s"}}
    else:
        window = {"count": {"size": 6, "every": 2}} if kind == "count" else KINDS[kind][0]
        spec |= {"window": window, "aggregates": list(NAMES)}
    points = [step for step in history(drawn) if isinstance(step, Point)]
    calm, shaken = Bench(query(**spec)), Bench(query(**spec))
    chance = random.Random(seed)
    calm.take(*points, now=0)
    while points:
        batch = points[: chance.randint(1, 5)]
        for each in batch:
            shaken.pend(each)
        if chance.random() < 0.4:
            shaken.crash()
            continue
        shaken.commit()
        del points[: len(batch)]
    shaken.crash()
    assert [r.point for r in shaken.results] == [r.point for r in calm.results]
    assert [r.point for r in shaken.until(10_000)] == [r.point for r in calm.until(10_000)]
    shaken.crash()
    assert shaken.timers == {}


@pytest.mark.parametrize(
    "spec",
    [
        {"window": {"sliding": "10s"}, "aggregates": ["mean", "max"]},
        {"window": {"sliding": "10s"}, "aggregates": ["spread", "max"]},
        {"window": {"tumbling": "10s"}, "aggregates": ["mean", "spread", "p50", "max"]},
        {"align": {"every": "1s", "method": "mean"}},
        {"align": {"every": "1s", "method": "linear"}},
    ],
)
def test_values_whose_sum_no_double_can_tell_end_nothing(spec: dict[str, Any]) -> None:
    bench = Bench(query(**spec))
    for place in range(100):
        bench.take(point(place / 10, (1.7e308, -1.7e308, 1.7e308, 1.7e308)[place % 4], seq=place))
    bench.take(point(30, 1.0))
    assert bench.streams.counts.taken == 101


@settings_
@given(
    st.lists(st.floats(-1e300, 1e300) | st.floats(-10, 10), min_size=20, max_size=60),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=20, max_size=20),
)
def test_many_windows_at_once_are_as_each_alone(numbers: list[float], moves: list[tuple[int, int]]) -> None:
    values = [(place, place, number) for place, number in enumerate(numbers)]
    spans, start, end = [], 0, 1
    for begins, ends in moves:
        end = min(end + ends, len(values))
        start = min(start + begins, end - 1)
        spans.append((start, end))
    for (first, last), tally in zip(spans, tallies(values, spans, spread=True, sketch=True), strict=True):
        alone = tally_of(values[first:last], spread=True, sketch=True)
        same = ("n", "total", "low", "high", "first", "last")
        assert [getattr(tally, name) for name in same] == [getattr(alone, name) for name in same]
        assert tally.m2 == pytest.approx(alone.m2, rel=1e-9, abs=1e-12) or not isfinite(alone.m2)
        assert tally.sketch is not None
        assert alone.sketch is not None
        assert [tally.sketch.quantile(part) for part in (0.0, 0.5, 0.95)] == [
            alone.sketch.quantile(part) for part in (0.0, 0.5, 0.95)
        ]


def test_a_late_point_of_a_long_window_adds_up_no_window_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(query(window={"sliding": "1h"}, aggregates=["mean", "p95"], lateness="1h"))
    for place in range(1, 1500):
        bench.take(point(place, float(place % 7), seq=place), now=place)
    looked: list[int] = []

    def looking(values: Any, **wanted: bool) -> Any:
        looked.append(len(values))
        return tally_of(values, **wanted)

    monkeypatch.setattr(making, "tally_of", looking)
    results = bench.take(point(0.5, 100.0, seq=0))
    assert len(results) == 2 * 1500
    assert sum(looked) < 10_000
