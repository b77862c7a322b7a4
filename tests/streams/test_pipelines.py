"""Pipelines: each step, their order, where what comes out goes, and the count of every point."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.making import Bench, pipeline, point, query

T = "default/d1/t"
Values = list[float | str]


def through(*steps: dict[str, Any], values: Values, gap: float = 1.0) -> list[float | str | None]:
    """What of values, a second apart, is kept."""
    bench = Bench(pipeline(*steps))
    bench.take(*(point(n * gap, value) for n, value in enumerate(values)))
    return [value for _, value in bench.stored(T)]


@pytest.mark.parametrize(
    ("step", "values", "kept"),
    [
        ({"convert": {"from": "fahrenheit", "to": "celsius"}}, [212.0, 32.0, "cold"], [100.0, 0.0, "cold"]),
        ({"convert": {"from": "psi", "to": "bar"}}, [14.503773773], [1.0]),
        ({"scale": {"factor": 0.1, "offset": -40}}, [400.0, 650.0], [0.0, 25.0]),
        ({"clip": {"min": 0, "max": 10}}, [-3.0, 5.0, 12.0, "off"], [0.0, 5.0, 10.0, "off"]),
        ({"clip": {"max": 10, "outside": "drop"}}, [-3.0, 5.0, 12.0], [-3.0, 5.0]),
        ({"deadband": {"by": 0.5}}, [1.0, 1.4, 1.5, 1.1, 1.0, "x", "x", "y"], [1.0, 1.5, 1.0, "x", "y"]),
        ({"deadband": {"by": 5, "heartbeat": "3s"}}, [1.0, 1.0, 1.0, 2.0, 1.0], [1.0, 2.0]),
        ({"dedupe": {}}, [1.0, 1.0, 2.0, "a", "a", 1.0], [1.0, 2.0, "a", 1.0]),
        ({"dedupe": {"heartbeat": "2s"}}, [1.0] * 5, [1.0, 1.0, 1.0]),
        ({"every": 3}, [float(n) for n in range(8)], [0.0, 3.0, 6.0]),
        ({"rate": "3s"}, [float(n) for n in range(8)], [0.0, 3.0, 6.0]),
        ({"where": 'value > 2.0 && device == "default/d1"'}, [1.0, 3.0, "text"], [3.0]),
        ({"compute": "value * value"}, [3.0, "text"], [9.0]),
        ({"redact": {"method": "drop"}}, [1.0, "Ada"], []),
        ({"redact": {"method": "mask", "keep": 2}}, ["Lovelace", "A", 12.5], ["******ce", "A", "**.5"]),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_step_does_what_it_says(step: dict[str, Any], values: Values, kept: Values) -> None:
    assert through(step, values=values) == pytest.approx(kept)


def test_a_pseudonym_is_the_same_for_the_same_text_and_shows_nothing_of_it() -> None:
    first, second, again = through({"redact": {"method": "hash"}}, values=["Ada", "Grace", "Ada"])
    assert first == again != second
    assert len(str(first)) == 24
    assert "Ada" not in str(first)


def test_steps_follow_the_order_of_the_manifest() -> None:
    scale, clip = {"scale": {"factor": 10}}, {"clip": {"max": 20}}
    assert through(scale, clip, values=[1.0, 3.0]) == [10.0, 20.0]
    assert through(clip, scale, values=[1.0, 3.0]) == [10.0, 30.0]


def test_what_comes_out_may_go_to_another_series_beside_the_raw_one() -> None:
    bench = Bench(pipeline({"dedupe": {}}, to="{property}.clean"))
    results = bench.take(point(0, 1.0), point(1, 1.0), point(2, 2.0))
    assert bench.stored(T) == [(0, 1.0), (1, 1.0), (2, 2.0)]
    assert bench.stored(f"{T}.clean") == [(0, 1.0), (2, 2.0)]
    assert [(r.device, r.name, r.point.number) for r in results] == [
        ("default/d1", "t.clean", 1.0),
        ("default/d1", "t.clean", 2.0),
    ]


def test_pipelines_of_one_series_follow_each_other_by_name() -> None:
    bench = Bench(pipeline({"compute": "value * 10.0"}, name="b"), pipeline({"compute": "value + 1.0"}, name="a"))
    bench.take(point(0, 1.0))
    assert bench.stored(T) == [(0, 20.0)]


@pytest.mark.parametrize("end", ["silence", "change", "removal", "leaving"])
def test_points_that_waited_go_on_through_the_pipelines_that_follow(end: str) -> None:
    """What is let go late is redacted as all else, and seen by queries."""
    masks = pipeline({"where": "value > 2.0"}, {"redact": {"method": "mask"}}, name="b")
    bench = Bench(pipeline({"sample": {"every": "10s", "method": "minmax"}}, name="a"), masks)
    bench.apply(pipeline({"dedupe": {}}, name="c", to="{property}.seen"))
    bench.take(point(1, 1.0), point(2, 9.0), point(3, 4.0))
    match end:
        case "silence":
            bench.until(100)
        case "change":
            bench.apply(pipeline({"every": 2}, name="a"))
        case "removal":
            bench.streams.remove("Pipeline", "default/a", bench.now, bench._fresh)
            bench.commit()
        case "leaving":
            bench.streams.forget("default/d1", bench.now, bench._fresh)
            bench.commit()
    assert bench.stored(T) == [(2, "***")]
    assert bench.stored(f"{T}.seen") == [(2, "***")]


def test_queries_see_what_pipelines_leave() -> None:
    bench = Bench(pipeline({"scale": {"factor": 2}}), query(window={"count": {"size": 2}}, aggregates=["mean"]))
    bench.take(point(0, 1.0), point(1, 3.0))
    assert bench.stored("default/d1/t.q.mean") == [(1, 4.0)]


def test_queries_see_what_a_pipeline_puts_beside() -> None:
    looks = query(window={"count": {"size": 2}}, aggregates=["sum"], **{"from": [{"property": "t.clean"}]})
    bench = Bench(pipeline({"every": 2}, to="{property}.clean"), looks)
    bench.take(*(point(n, float(n)) for n in range(4)))
    assert bench.stored("default/d1/t.clean.q.sum") == [(2, 2.0)]


def test_a_series_that_no_pipeline_means_is_kept_as_it_is() -> None:
    bench = Bench(pipeline({"redact": {"method": "drop"}}))
    bench.take(point(0, 1.0, name="other"))
    assert bench.stored("default/d1/other") == [(0, 1.0)]
    assert bench.streams.offers.offered == 0


def test_points_that_wait_are_kept_when_the_series_falls_silent() -> None:
    bench = Bench(pipeline({"sample": {"every": "10s", "hold": "30s"}}, to="few"))
    for at in range(25):
        bench.take(point(at, float(at % 7)), now=at)
    assert bench.streams.held == 15
    results = bench.until(100)
    assert bench.now > 0
    assert bench.streams.held == 0
    assert bench.timers == {}
    assert [r.name for r in results] == ["few", "few"]


def test_points_that_wait_are_kept_when_the_pipeline_changes_or_goes() -> None:
    bench = Bench(pipeline({"sample": {"every": "10s"}}))
    bench.take(*(point(at, float(at)) for at in range(8)))
    bench.apply(pipeline({"dedupe": {}}))
    assert bench.stored(T)[-1] == (7, 7.0)
    bench.take(point(20, 5.0), point(21, 5.0))
    assert bench.stored(T)[-1] == (20, 5.0)
    bench.streams.remove("Pipeline", "default/p", bench.now, [])
    bench.commit()
    assert bench.rows == {}


def test_points_that_wait_are_kept_when_the_device_leaves() -> None:
    bench = Bench(pipeline({"sample": {"every": "10s", "method": "minmax"}}))
    bench.take(point(1, 1.0), point(2, 9.0), point(3, 4.0))
    kept: list[Any] = []
    bench.streams.forget("default/d1", bench.now, kept)
    assert [p.number for p in kept] == [1.0, 9.0]


STEPS = [
    {"scale": {"factor": 2}},
    {"clip": {"min": -10, "max": 10}},
    {"clip": {"min": -20, "max": 20, "outside": "drop"}},
    {"deadband": {"by": 3}},
    {"dedupe": {}},
    {"every": 2},
    {"rate": "2s"},
    {"where": "value != 5.0"},
    {"sample": {"every": "5s"}},
    {"sample": {"every": "4s", "method": "minmax"}},
]
drawn = st.lists(st.tuples(st.integers(-8, 20), st.integers(-30, 30), st.booleans()), max_size=40)


@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), drawn=drawn)
@settings(deadline=None)
def test_every_point_offered_is_kept_changed_dropped_or_held(
    steps: list[dict[str, Any]], drawn: list[tuple[int, int, bool]]
) -> None:
    """Over crashes too, which lose nothing: what is counted begins anew with the process, and only that."""
    bench, at, offered = Bench(pipeline(*steps)), 100.0, 0
    for number, (offset, value, crashes) in enumerate(drawn):
        at += offset / 2
        bench.take(point(at, float(value), seq=number), now=number)
        offered += 1
        counted, held = bench.streams.offers, bench.streams.held
        if crashes:
            bench.crash()
            assert bench.streams.held == held
            bench.streams._past = bench.streams.counts, counted
    offers = bench.streams.offers
    assert offers.offered == offered
    assert offers.offered == offers.kept + offers.changed + offers.dropped + bench.streams.held
    bench.until(10_000)
    assert bench.streams.held == 0
    offers = bench.streams.offers
    assert offers.offered == offers.kept + offers.changed + offers.dropped
    assert offers.kept + offers.changed == len(bench.points)
    assert len({(p.series, p.at, p.seq) for p in bench.points}) == len(bench.points)
