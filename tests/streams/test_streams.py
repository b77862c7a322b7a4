"""Queries together: what they are called, how they follow one another, and what becomes of them when they change."""

from __future__ import annotations

import re
from typing import Any

import pytest

from streams.query import Query
from tests.streams.making import Bench, pipeline, point, query
from twins.errors import Rejected


def test_results_stand_beside_what_they_are_made_of() -> None:
    count = {"window": {"count": {"size": 1}}, "aggregates": ["mean"]}
    names = []
    for key in ("series", "device", "all"):
        bench = Bench(query(key=key, **count))
        names += [(r.device, r.name, r.point.series) for r in bench.take(point(0, 1.0))]
    assert names == [
        ("default/d1", "t.q.mean", "default/d1/t.q.mean"),
        ("default/d1", "q.mean", "default/d1/q.mean"),
        ("default/q", "mean", "default/q/mean"),
    ]


def test_a_window_is_told_when_no_point_of_it_is_waited_for() -> None:
    bench = Bench(query(outOfOrder="3s"))
    assert bench.take(point(1, 1.0), point(9, 3.0), point(12, 5.0)) == []
    told = bench.take(point(13, 5.0))
    assert [(r.name, r.point.number) for r in told] == [("t.q.n", 2.0), ("t.q.mean", 2.0)]
    assert {r.point.at - bench.now for r in told} == {0}


def test_a_late_point_corrects_what_was_told_and_a_later_one_is_counted_and_told() -> None:
    bench = Bench(query(lateness="10s"))
    bench.take(point(1, 1.0), point(11, 2.0))
    corrected = bench.take(point(2, 4.0, seq=1))
    assert [r.corrected for r in corrected] == [True, True]
    assert bench.stored("default/d1/t.q.mean") == [(0, 2.5)]
    assert len([p for p in bench.points if p.series == "default/d1/t.q.mean"]) == 2
    bench.take(point(25, 1.0))
    assert bench.take(point(3, 9.0, seq=2)) == []
    assert bench.streams.counts.late == 1
    assert ["1 point came too late for query default/q" in e.message for e in bench.events] == [True]
    bench.take(point(4, 9.0, seq=3))
    assert len(bench.events) == 1


def test_a_repeat_counts_once() -> None:
    bench = Bench(query(window={"count": {"size": 3}}))
    bench.take(point(1, 1.0, seq=7), point(1, 1.0, seq=7), point(2, 1.0), point(1, 1.0, seq=7))
    assert bench.streams.counts.repeats == 2
    assert bench.results == []


def test_a_silent_series_is_told_after_a_while_and_holds_up_no_other() -> None:
    bench = Bench(query(key="all", idle="5s"))
    bench.take(point(1, 1.0), point(1, 3.0, device="d2"), now=1)
    bench.take(point(12, 5.0), now=12)
    assert bench.results == []
    assert [r.point.number for r in bench.until(18)] == [2.0, 2.0]
    bench.until(60)
    assert bench.stored("default/q/n") == [(0, 2.0), (10, 1.0)]
    assert bench.timers == {}


def test_a_device_whose_clock_is_behind_gets_its_windows_whole_after_a_silence() -> None:
    """The clock of an idle series goes on from its own time, not from ours."""
    bench = Bench(query(idle="5s"))
    bench.take(point(-600, 1.0), now=1)
    assert bench.until(7) == []
    bench.take(point(-592, 3.0), now=9)
    bench.until(60)
    assert bench.stored("default/d1/t.q.n") == [(-600, 2.0)]


def test_a_start_waits_for_a_silent_series_anew() -> None:
    bench = Bench(query(idle="5s"))
    bench.take(point(1, 1.0), now=1)
    bench.now += 3600 * 1_000_000
    bench.crash()
    bench.take(point(3, 3.0))
    bench.take(point(11, 3.0))
    assert bench.stored("default/d1/t.q.n") == [(0, 2.0)]


def test_queries_read_the_results_of_others() -> None:
    minute = query("minute", window={"tumbling": "1m"}, aggregates=["mean", "n"])
    source = {"query": "minute", "result": "mean", "device": "d1"}
    hour = query("hour", window={"tumbling": "1h"}, aggregates=["n", "max"], **{"from": [source]})
    bench = Bench(minute, hour)
    bench.take(*(point(at, float(at // 60), device=device) for at in range(0, 7300, 30) for device in ("d1", "d2")))
    assert bench.stored("default/d1/t.minute.mean.hour.n") == [(0, 60.0), (3600, 60.0)]
    assert bench.stored("default/d1/t.minute.mean.hour.max") == [(0, 59.0), (3600, 119.0)]
    assert bench.stored("default/d2/t.minute.mean.hour.n") == []


def test_wide_patterns_take_in_no_results() -> None:
    bench = Bench(query(window={"count": {"size": 1}}, **{"from": [{"property": "*"}]}))
    bench.take(point(0, 1.0), point(0, 1.0, name="u"))
    assert {r.name for r in bench.results} == {"t.q.n", "t.q.mean", "u.q.n", "u.q.mean"}


def test_results_that_would_go_round_are_refused() -> None:
    bench = Bench(query("a"), query("b", **{"from": [{"query": "a"}]}))
    with pytest.raises(Rejected, match="default/a reads default/b reads default/a: results would go round"):
        bench.apply(query("a", **{"from": [{"query": "b"}]}))
    with pytest.raises(Rejected, match="default/c reads default/c"):
        bench.apply(query("c", **{"from": [{"query": "c"}]}))
    with pytest.raises(Rejected, match=re.escape("spec.from: there is no query default/aa; did you mean default/a?")):
        bench.apply(query("c", **{"from": [{"query": "aa"}]}))
    with pytest.raises(Rejected, match="default/b reads its results: delete that first"):
        bench.streams.remove("Query", "default/a", 0, [])
    with pytest.raises(Rejected, match="default/a would make the same series; take another"):
        bench.apply(query("a", namespace="plant"))


def test_a_query_that_changes_keeps_its_windows_if_they_are_the_same() -> None:
    bench = Bench(query())
    bench.take(point(1, 1.0))
    bench.apply(query(aggregates=["sum"], where="value < 100.0", outOfOrder="2s"))
    bench.take(point(2, 2.0), point(3, 999.0), point(11, 0.0), point(12, 0.0))
    assert bench.stored("default/d1/t.q.sum") == [(0, 3.0)]
    assert bench.events == []


def test_a_query_whose_windows_change_begins_anew_and_says_so() -> None:
    bench = Bench(query())
    bench.take(point(1, 1.0))
    bench.apply(query(window={"tumbling": "20s"}))
    assert [e.message for e in bench.events] == ["default/q begins anew: its windows are others now"]
    bench.take(point(2, 2.0), point(21, 0.0))
    assert bench.stored("default/d1/t.q.n") == [(0, 1.0)]


def test_what_is_removed_leaves_nothing_behind() -> None:
    bench = Bench(query(window={"hopping": {"size": "1m", "every": "10s"}}), pipeline({"dedupe": {}}))
    bench.take(*(point(at, float(at)) for at in range(0, 90, 7)))
    assert len(bench.rows) > 3
    bench.streams.remove("Query", "default/q", 0, [])
    bench.streams.remove("Pipeline", "default/p", 0, [])
    bench.commit()
    assert bench.rows == {}
    assert bench.timers == {}


def test_a_device_that_leaves_takes_its_windows_along() -> None:
    bench = Bench(query(), query("all", key="all"))
    bench.take(point(1, 1.0), point(2, 2.0, device="d2"))
    bench.streams.forget("default/d1", bench.now, [])
    bench.commit()
    assert not [key for key in bench.rows if "/d1/" in key]
    bench.take(point(11, 2.0, device="d2"))
    assert bench.stored("default/all/n") == [(0, 2.0)]


def test_state_that_cannot_be_read_begins_anew_and_says_so() -> None:
    bench = Bench(query(), pipeline({"dedupe": {}}))
    bench.take(point(1, 1.0), point(2, 2.0))
    bench.rows = dict.fromkeys(bench.rows, b"\xc1")
    bench.crash()
    assert sorted(e.message for e in bench.events) == [
        "default/p begins anew: 1 of its states could not be read back",
        "default/q begins anew: 1 of its states could not be read back",
    ]
    assert bench.rows == {}


def test_manifests_are_taken_up_in_the_order_in_which_they_read_each_other() -> None:
    chained = [query("c", **{"from": [{"query": "b"}]}), query("b", **{"from": [{"query": "a"}]}), query("a")]
    bench = Bench(*reversed(chained))
    bench.manifests = {(m.kind, m.id): m for m in chained}
    bench.crash()
    assert len(bench.streams) == 3
    orphan: Query = chained[0]
    assert bench.streams.__class__().restore([orphan], {}, 0) == [
        "Query default/c does not hold any more: Query default/c: spec.from: there is no query default/b; "
        "none is known here"
    ]


def test_texts_and_values_that_an_expression_makes_nothing_of_are_counted() -> None:
    bench = Bench(query(where="value > 1.0", value="value * 2.0", window={"count": {"size": 1}}, aggregates=["sum"]))
    bench.take(point(0, 1.0), point(1, 2.0), point(2, "text"))
    assert [r.point.number for r in bench.results] == [4.0]
    counts = bench.streams.counts
    assert (counts.taken, counts.filtered, counts.unusable) == (1, 1, 1)


def test_keys_are_bounded() -> None:
    bench = Bench(query())
    bench.streams._passage._limit = 2
    bench.take(*(point(0, 1.0, device=f"d{n}") for n in range(4)), point(1, 1.0, device="d0"))
    assert bench.streams.keys == 2
    assert bench.streams.counts.turned_away == 2


def test_a_result_has_the_same_identity_whenever_it_is_made() -> None:
    def made(**spec: Any) -> list[tuple[int, int]]:
        return [(r.point.at, r.point.seq) for r in Bench(query(**spec)).take(point(1, 1.0), point(11, 1.0))]

    assert made() == made()
    assert made() != made(window={"tumbling": "5s"})


def test_only_what_changed_is_written() -> None:
    bench = Bench(query(window={"hopping": {"size": "100s", "every": "1s"}}))
    bench.take(*(point(at, 1.0, device=device) for at in range(50) for device in ("d1", "d2")))
    for each in (point(50, 1.0), point(50.5, 1.0)):
        bench.streams.take(each, bench.now, [])
    written = bench.streams.changes().rows
    assert sorted(written) == ["query:default/q//default/d1/t", f"query:default/q/{point(49, 0.0).at}/default/d1/t"]
    assert sum(len(body or b"") for body in written.values()) < 700


@pytest.mark.parametrize(
    "spec",
    [
        {"window": {"tumbling": "1s"}},
        {"window": {"session": "1s"}},
        {"align": {"every": "1s"}},
    ],
)
def test_points_of_a_future_that_nobody_waits_for_open_no_windows(spec: dict[str, Any]) -> None:
    bench = Bench(query(**spec))
    bench.take(point(0, 1.0))
    size = sum(map(len, bench.rows.values()))
    for day in range(2, 300):
        bench.take(point(day * 86_400, 1.0))
    assert sum(map(len, bench.rows.values())) < 2 * size
    assert bench.streams.counts.unusable == 298
