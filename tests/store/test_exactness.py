"""Counts and files when seals, merges and retention meet each other, a full database, or a clock gone wild."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import seals
from store.parquet import codecs
from store.segment import DAY
from store.space import Space
from store.store import Store
from tests.store.clocks import Still
from twins.exchange import Batch, Point, Result


async def put(store: Store, *points: Point) -> None:
    await store.journal.committed(store.journal.append(Batch(points=list(points))))


def accounted(store: Store) -> int:
    """What became of the points: this is how many were committed."""
    counts = store.segments.counts
    there = sum(one.rows for one in store.segments.known if one.kind == "points")
    return there + len(store.points) + counts.repeated + counts.expired + counts.removed + counts.damaged


async def test_a_segment_that_was_merged_while_retention_waited_is_not_counted_as_removed(
    tmp_path: Path, store_at: Any, point: Any
) -> None:
    async with store_at(tmp_path) as store:
        for at in (1, 2, DAY + 1):  # a day that is over, and another
            await put(store, point(at))
            await store.segments.seal()
        old = [one for one in store.segments.known if one.first < DAY]
        async with asyncio.TaskGroup() as group:
            merging = group.create_task(store.segments.merge())
            await asyncio.sleep(0)  # it has the turn
            group.create_task(store.segments.remove(old))
        assert len(merging.result()) == 3
        assert accounted(store) == 3


class Crowded:
    """A journal whose database takes no more, for as long as it is told: what SQLite raises then."""

    def __init__(self, store: Store) -> None:
        self._transact = store.journal.transact
        self.full = True
        store.journal.transact = self.transact  # type: ignore[method-assign]

    async def transact(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        def crowded(connection: sqlite3.Connection) -> Any:
            made = work(connection)
            if self.full:
                connection.execute("PRAGMA max_page_count = 1")
                connection.execute("CREATE TABLE too_much (a)")
            return made

        return await self._transact(crowded)


async def test_a_seal_that_cannot_be_entered_leaves_no_files_behind(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1))
        journal = Crowded(store)
        for _ in range(3):
            with pytest.raises(sqlite3.OperationalError, match="full"):
                await store.segments.seal()
        assert list(store.segments.directory.iterdir()) == []
        journal.full = False
        assert len(await store.segments.seal()) == 3
        assert accounted(store) == 1


async def test_no_transaction_of_a_seal_holds_up_commits_for_thousands_of_series(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, *(Point(f"default/m-{n}/p", n, n, 1.0, None) for n in range(3000)))
        changed: list[int] = []
        transact = store.journal.transact

        async def watched(work: Callable[[sqlite3.Connection], Any]) -> Any:
            def counting(connection: sqlite3.Connection) -> Any:
                before = connection.total_changes
                made = work(connection)
                changed.append(connection.total_changes - before)
                return made

            return await transact(counting)

        store.journal.transact = watched
        await store.segments.seal()
        assert max(changed) <= 1000
    async with store_at(tmp_path) as store:
        latest = store.points.latest("default/m-2999/p")
        assert latest is not None
        assert latest.at == 2999


class Filled(Space):
    """A disk that others fill, while `full`."""

    full = False

    def room(self) -> int:
        return 0 if self.full else super().room()


async def test_points_are_kept_again_after_all_went_of_which_one_was_of_the_future(
    tmp_path: Path, store_at: Any, point: Any
) -> None:
    now = 20_000 * DAY
    async with store_at(tmp_path, clock=Still(now)) as store:
        space = store.segments._files.space = Filled(tmp_path, 1 << 30)
        await put(store, point(now - 2), point(now + 3650 * DAY))
        await store.segments.seal()
        space.full = True
        await store.segments.make_room()
        assert not store.segments.known
        space.full = False
        await put(store, point(now - 1, number=1.0))
        await store.segments.seal()
        assert store.segments.counts.expired == 0
        assert accounted(store) == 3


async def test_nothing_is_measured_while_nothing_is_to_be_merged(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1))
        await store.segments.seal()
        asked: list[int] = []

        class Counting(Space):
            def room(self) -> int:
                asked.append(1)
                return super().room()

        store.segments._files.space = Counting(tmp_path, 1 << 30)
        assert await store.segments.merge() == []
        assert not asked


async def test_results_are_sealed_in_pieces_that_memory_holds(
    tmp_path: Path, store_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "_RESULTS", 10)
    async with store_at(tmp_path) as store:
        results = [Result("default/cam", "person", "1", n, n, ()) for n in range(25)]
        await store.journal.committed(store.journal.append(Batch(results=results)))
        made = await store.segments.seal()
        assert [one.rows for one in made] == [10, 10, 5]
        rows = [row for one in made for row in pq.read_table(store.segments.path(one)).column("input").to_pylist()]
        assert rows == list(range(25))
        assert (await store.sql.sql("SELECT count(*) FROM results", deadline=20, limit=1)).rows == [(25,)]


def test_each_column_gets_the_codec_that_makes_it_smallest() -> None:
    chance = np.random.default_rng(1)
    rows = 20_000
    table = pa.table(
        {
            "time": pa.array(np.arange(rows) * 1_000_000 + chance.integers(0, 1000, rows)).cast(
                pa.timestamp("us", "UTC")
            ),
            "quantised": np.round(chance.integers(0, 50, rows) / 10, 1),
            "entropy": chance.normal(20, 1, rows),
        }
    )
    assert codecs(table) == {
        "time": "DELTA_BINARY_PACKED",
        "quantised": "dictionary",
        "entropy": "BYTE_STREAM_SPLIT",
    }
