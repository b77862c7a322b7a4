"""The newest value of each series, from memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from store.columns import Columns
from store.points import Points
from store.sql.latest import Latest
from twins.exchange import Batch, Newest, Point


async def test_the_newest_value_is_a_table_and_an_answer_of_its_own(tmp_path: Path, store_at: Any) -> None:
    points = [Point("default/t-1/heat", at, at, float(at), None) for at in (1, 3, 2)]
    points += [Point("default/t-1/a/b", 5, 0, None, "on"), Point("desired:default/t-1/heat", 9, 0, 30.0, "30")]
    async with store_at(tmp_path) as store:
        for _ in range(2):
            query = "SELECT epoch_us(time), namespace, device, property, value, text, seq FROM latest ORDER BY time"
            answer = await store.sql.sql(query, deadline=20, limit=10)
            wanted = [(3, "default", "t-1", "heat", 3.0, None, 3), (5, "default", "t-1", "a/b", None, "on", 0)]
            assert answer.rows == (wanted if len(store.points.series) else [])
            await store.journal.committed(store.journal.append(Batch(points=points)))
            await store.segments.seal()
        assert list(store.sql.latest({"default/t-1"}, {"heat"})) == [Newest("default/t-1", "heat", 3, 3.0, None)]
        assert list(store.sql.latest({"default/t-2"})) == []


def test_ten_thousand_series_take_a_few_milliseconds() -> None:
    series = [f"default/device-{number // 4}/property-{number % 4}" for number in range(10_000)]
    points = Points()
    batch = [Point(name, 1, 1, 1.0, None) for name in series]
    points.take(1, Columns.of(batch, {name: key for key, name in enumerate(series)}), series)
    latest = Latest(points)
    latest.rows()
    best = min(_timed(latest) for _ in range(5))
    assert len(latest.rows()) == 10_000
    assert best < 0.02, "some 4 ms on a quiet machine"


def test_a_series_that_lost_its_points_has_no_newest_one() -> None:
    points = Points()
    points.take(1, Columns.of([Point("a/b/c", 1, 1, 1.0, None)], {"a/b/c": 1}), ["x/y/z", "a/b/c"])
    assert Latest(points).rows() == [(1, "a/b", "c", 1.0, None, 1)]


def _timed(latest: Latest) -> float:
    began = time.perf_counter()
    latest.rows()
    return time.perf_counter() - began
