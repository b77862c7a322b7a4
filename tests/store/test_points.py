from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from store.columns import Columns
from store.points import Points
from twins.exchange import Point

SERIES = "default/t-1/temperature"
ROOT = Path(__file__).parents[2]

some_points = st.lists(
    st.builds(
        Point,
        st.sampled_from(["a/b/c", "a/b/d"]),
        st.integers(-(2**55), 2**57),
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    )
)


def columns(*points: Point) -> Columns:
    return Columns.of(points, {point.series: 0 for point in points})


@given(some_points)
def test_points_survive_packing(points: list[Point]) -> None:
    packed = Columns.of(points, {"a/b/c": 0, "a/b/d": 1}).pack()
    assert list(Columns.unpack(packed).points(["a/b/c", "a/b/d"])) == points


@given(some_points, some_points)
def test_columns_appended_are_the_points_in_order(first: list[Point], second: list[Point]) -> None:
    ids = {"a/b/c": 0, "a/b/d": 1}
    whole = Columns.of(first, ids)
    whole.extend(Columns.of(second, ids))
    assert list(whole.points(["a/b/c", "a/b/d"])) == first + second


def test_the_latest_is_by_time_not_by_arrival(point: Any) -> None:
    points = Points()
    points.take(1, columns(point(20, number=2.0), point(10, number=1.0)), [SERIES])
    latest = points.latest(SERIES)
    assert latest is not None
    assert (latest.at, latest.number) == (20, 2.0)
    assert points.latest("default/nobody/x") is None


def test_text_is_a_latest_value_but_no_sparkline(point: Any) -> None:
    points = Points()
    points.take(1, columns(point(10), point(20, number=None, text="open")), [SERIES])
    assert points.latest(SERIES) == Point(SERIES, 20, 0, None, "open")
    assert points.recent(SERIES, 10) == [(10, 20.5)]


def test_recent_points_are_the_last_by_time_and_a_repeat_counts_once(point: Any) -> None:
    points = Points(recent=5)
    for at in [*range(100), 99, 97]:
        points.take(at, columns(point(at, number=float(at))), [SERIES])
    assert points.recent(SERIES, 3) == [(97, 97.0), (98, 98.0), (99, 99.0)]
    assert len(points.recent(SERIES, 50)) <= 5


def test_a_cut_stays_visible_until_it_is_dropped(point: Any) -> None:
    points = Points()
    points.take(1, columns(point(1)), [SERIES])
    cut = points.cut()
    assert cut is not None
    points.take(2, columns(point(2)), [SERIES])
    assert [at for chunk in points.snapshot() for at in chunk.at] == [1, 2]
    assert [at for chunk in cut.chunks for at in chunk.at] == [1]
    points.drop(cut.batch)
    assert [at for chunk in points.snapshot() for at in chunk.at] == [2]
    assert len(points) == 1


def test_a_snapshot_does_not_move(point: Any) -> None:
    points = Points()
    points.take(1, columns(point(1)), [SERIES])
    snapshot = points.snapshot()
    points.take(2, columns(point(2)), [SERIES])
    assert sum(map(len, snapshot)) == 1


def test_an_idle_store_loads_none_of_the_heavy_packages() -> None:
    heavy = "{'numpy', 'pyarrow', 'duckdb', 'sqlglot'}"
    code = f"import store.store, sys; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_recent_texts_are_kept_apart_and_long_ones_are_cut(point: Any) -> None:
    points = Points(keep=False)
    for at in range(20):
        points.take(at, columns(point(at, number=None, text=f"open {at}")), [SERIES])
    assert points.texts(SERIES, 2) == [(18, "open 18"), (19, "open 19")]
    assert len(points.texts(SERIES, 100)) == 8
    points.take(20, columns(point(20, number=None, text="x" * 5000)), [SERIES])
    ((_, said),) = points.texts(SERIES, 1)
    assert (len(said), said[-2:]) == (200, "x…")
    assert points.texts("default/nobody/x", 5) == []


def test_a_cut_takes_whole_commits_oldest_first_one_at_least(point: Any) -> None:
    points = Points()
    for batch in range(1, 7):
        points.take(batch, columns(*(point(100 * batch + n) for n in range(5000))), [SERIES])
    taken = []
    while (cut := points.cut(12_000)) is not None:
        taken.append((cut.batch, sum(map(len, cut.chunks))))
        points.take(9, columns(point(1)), [SERIES]) if cut.batch == 2 else None
        points.drop(cut.batch)
    assert taken == [(2, 10_000), (4, 10_000), (9, 10_001)]
    assert (len(points), points.newest) == (0, 0)


def test_points_that_cannot_be_sealed_press(point: Any) -> None:
    points = Points(most=4)
    points.take(1, columns(point(1), point(2)), [SERIES])
    assert points.pressure == 0.5
    points.take(2, columns(*(point(at) for at in range(9))), [SERIES])
    assert points.pressure == 1.0
    points.drop(2)
    assert points.pressure == 0.0
