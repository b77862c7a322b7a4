"""What seals and merges leave behind, read from the files themselves and from memory, beside a set of all points."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import state
from store.checksums import SUMMED
from store.doctor import examine
from store.rollup import BUCKETS, merged, rolled
from store.segment import DAY, Kind, Segment, sidecar
from store.store import Store
from store.table import overlapping, tabulate, without
from twins.errors import Rejected
from twins.exchange import Batch, Point, Result

Key = tuple[str, int, float | None, str | None]


def files(store: Store, kind: Kind) -> list[tuple[Segment, pa.Table]]:
    return [(one, pq.read_table(store.segments.path(one))) for one in store.segments.known if one.kind == kind]


def rows(store: Store, kind: Kind = "points") -> Counter[Key]:
    """Every row of the segments, and of memory what no segment has."""
    memory = tabulate(store.points.snapshot(), store.points.series, "edge-1", kind)
    memory = without(memory, overlapping(memory, store.segments.known, store.segments.directory, kind))
    return Counter(key for table in [memory, *(table for _, table in files(store, kind))] for key in keys(table))


def keys(table: pa.Table) -> list[Key]:
    at = table.column("time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    names = zip(*(table.column(name).to_pylist() for name in ("namespace", "device", "property")), strict=True)
    values, texts = table.column("value").to_pylist(), table.column("text").to_pylist()
    return [("/".join(name), *rest) for name, *rest in zip(names, at, values, texts, strict=True)]


async def put(store: Store, points: list[Point]) -> None:
    await store.journal.committed(store.journal.append(Batch(points=points)))


def key(point: Point) -> Key:
    return point.series, point.at, point.number, point.text


def sound(store: Store) -> None:
    """List, files, order, days and digests agree."""
    for segment in store.segments.known:
        path = store.segments.path(segment)
        table = pq.read_table(path)
        moments = table.column("time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
        assert (segment.rows, segment.bytes) == (len(table), path.stat().st_size)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == segment.digest
        assert (segment.first, segment.last) == (min(moments), max(moments))
        assert segment.day is not None
        if segment.kind in {"points", "desired"}:
            seqs = [seq if seq is not None else -1 for seq in table.column("seq").to_pylist()]
            order = [(*name.split("/"), at, seq) for (name, at, *_), seq in zip(keys(table), seqs, strict=True)]
            assert order == sorted(order)
    for kind, bucket in BUCKETS.items():
        for segment, table in files(store, "points"):
            rollup = rolled(table, bucket)
            beside = store.segments.directory / sidecar(segment.name, kind)
            assert beside.exists() == bool(len(rollup)), "texts alone have none"
            assert not len(rollup) or alike(pq.read_table(beside), rollup)


def alike(one: pa.Table, other: pa.Table) -> bool:
    """The same rollup, but for what the order of summing does."""
    exact = ["time", "namespace", "device", "property", "n", "min", "max", "first", "first_at", "last", "last_at"]
    one, other = merged([one], 1), merged([other], 1)
    return one.select(exact).to_pylist() == other.select(exact).to_pylist() and all(
        abs(a - b) <= 1e-6 * (1 + abs(a))
        for name in ("sum", "m2")
        for a, b in zip(one.column(name).to_pylist(), other.column(name).to_pylist(), strict=True)
    )


class Source:
    """Points of some days, some sent again, some late, some texts."""

    def __init__(self, seed: int, *, digests: bool) -> None:
        self._chance = random.Random(seed)
        self._digests = digests
        self.sent: list[Point] = []

    def some(self, count: int) -> list[Point]:
        chance = self._chance
        points = [self._point() for _ in range(count)]
        points += chance.sample(self.sent, min(len(self.sent), count // 3))
        chance.shuffle(points)
        self.sent += points
        return points

    def _point(self) -> Point:
        chance = self._chance
        at = chance.choice(
            [chance.randrange(DAY), chance.randrange(3 * DAY), chance.randrange(0, 3 * DAY, 1_800_000_000)]
        )
        # Identity is (series, at, seq): a value of its own tells that no other point was taken for this one.
        seq = chance.getrandbits(63) if self._digests else chance.randrange(3)
        value = float(hash((at, seq)) % 100_000) / 10
        words = f"said {at} {seq}" if value % 3 < 1 else None
        series = f"default/t-{chance.randrange(4)}/{chance.choice(['a', 'b/c'])}"
        return Point(series, at, seq, None if words else value, words)


@pytest.mark.parametrize("digests", [False, True])
async def test_late_and_repeated_points_show_once_over_seals_merges_and_restarts(
    tmp_path: Path, store_at: Any, digests: bool
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    source, chance = Source(seed, digests=digests), random.Random(seed)
    for _ in range(2):
        async with store_at(tmp_path) as store:
            for _ in range(6):
                await put(store, source.some(chance.randrange(1, 60)))
                if chance.random() < 0.7:
                    await store.segments.seal()
                if chance.random() < 0.5:
                    await store.segments.merge()
                assert rows(store) == Counter(set(map(key, source.sent)))
            sound(store)
    async with store_at(tmp_path) as store:
        await store.segments.seal()
        while await store.segments.merge():
            pass
        sound(store)
        assert rows(store) == Counter(set(map(key, source.sent)))
        newest = max(one.day or 0 for one in store.segments.known)
        days = Counter((one.kind, one.day) for one in store.segments.known if one.day != newest)
        assert set(days.values()) == {1}


async def test_a_day_is_a_segment_and_many_days_do_not_make_many(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, [point(DAY - 1), point(DAY), point(3 * DAY)])
        await store.segments.seal()
        assert [(one.day, one.rows) for one in store.segments.known if one.kind == "points"] == [(0, 1), (1, 1), (3, 1)]
        await put(store, [point(day * DAY) for day in range(1000, 1100)])
        await store.segments.seal()
        assert len([one for one in store.segments.known if one.kind == "points"]) == 3 + 64
        while await store.segments.merge():
            pass
        assert sum(rows(store).values()) == 103


async def test_desired_values_have_a_history_apart(tmp_path: Path, store_at: Any, point: Any) -> None:
    wish = Point("desired:default/t-1/temperature", 5, 1 << 32, 21.0, "21.0")
    async with store_at(tmp_path) as store:
        await put(store, [point(5), wish])
        assert (await store.sql.sql("SELECT count(*) FROM points", deadline=20, limit=1)).rows == [(1,)]
        await store.segments.seal()
        assert {one.kind for one in store.segments.known} == {"points", "desired", "1m", "1h"}
        assert (await store.sql.sql("SELECT count(*) FROM points", deadline=20, limit=1)).rows == [(1,)]
        await put(store, [wish])
        await store.segments.seal()
        assert list(rows(store, "desired")) == [("default/t-1/temperature", 5, 21.0, "21.0")]
        assert [table.column("seq").to_pylist() for _, table in files(store, "desired")] == [[1 << 32]]


@pytest.mark.parametrize("step", [1000, 1001])
async def test_times_are_exact_whatever_their_clock_ticks(tmp_path: Path, store_at: Any, point: Any, step: int) -> None:
    sent = [point(n * step, number=n * 0.37) for n in range(5000)]
    async with store_at(tmp_path) as store:
        await put(store, sent[:2500])
        await store.segments.seal()
        await put(store, [*sent[2500:], sent[2499]])
        await store.segments.seal()
        ((first, _), (second, table)) = files(store, "points")
        assert (first.rows, second.rows) == (2500, 2500)
        assert table.schema.field("time").type.unit == ("us" if step % 1000 else "ms")
        assert rows(store) == Counter(map(key, sent))


async def test_results_of_a_day_are_merged_too(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        for number in range(8):
            results = [Result("default/cam", f"m-{number % 2}", "1", number, number * 1000 + number % 3, ())]
            await store.journal.committed(store.journal.append(Batch(results=results)))
            await store.segments.seal()
        (made,) = await store.segments.merge()
        assert (made.kind, made.rows, len(store.segments.known)) == ("results", 8, 1)
        answer = await store.sql.sql("SELECT input FROM results ORDER BY time", deadline=20, limit=100)
        assert [number for (number,) in answer.rows] == list(range(8))


async def test_files_in_whose_place_a_merged_one_came_stay_for_their_readers_and_go_then(
    tmp_path: Path, store_at: Any, point: Any
) -> None:
    async with store_at(tmp_path) as store:
        for at in (1, 2, DAY):
            await put(store, [point(at)])
            await store.segments.seal()
        inputs = [one for one in store.segments.known if one.day == 0 and one.kind == "points"]
        readers = [pq.ParquetFile(store.segments.path(one)) for one in inputs]
        assert await store.segments.merge()
        assert all(store.segments.path(one).exists() for one in inputs)
        assert [len(reader.read()) for reader in readers] == [1, 1]
    async with store_at(tmp_path) as store:
        assert not any(store.segments.path(one).exists() for one in inputs)
        assert sum(rows(store).values()) == 3


async def test_a_lost_list_of_segments_brings_nothing_back_twice(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        for at in (1, 2, DAY):
            await put(store, [point(at)])
            await store.segments.seal()
        await store.segments.merge()
        assert len(list(store.segments.directory.iterdir())) > len(store.segments.known)
    await asyncio.to_thread((tmp_path / state.FILE).write_bytes, b"no database" * 1000)
    async with store_at(tmp_path) as store:
        assert sum(rows(store).values()) == 3
        sound(store)


async def test_a_store_of_the_first_schema_is_taken_up(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, [point(1), point(DAY)])
        await store.segments.seal()
        old = store.segments.directory / f"{store.journal.id}-points-000000000001.parquet"
        tables = [table for _, table in files(store, "points")]
        names = [store.segments.path(one) for one in store.segments.known]
    for name in names:
        name.unlink()
    pq.write_table(pa.concat_tables(tables, promote_options="permissive"), old)
    with sqlite3.connect(tmp_path / state.FILE) as db:
        db.execute("DELETE FROM segments")
        db.execute("ALTER TABLE segments DROP COLUMN digest")
        added = {"blobs", "streams", "decisions", *(table for table in SUMMED if table.startswith("upload_"))}
        for table in added:
            db.execute(f"DROP TABLE {table}")
        for table in SUMMED.keys() - added:
            db.execute(f"ALTER TABLE {table} DROP COLUMN crc")
        db.execute("DELETE FROM meta WHERE key = 'segment'")
        db.execute("INSERT INTO segments VALUES (?, 'points', 1, ?, 2, 1)", [old.name, DAY])
        db.execute("PRAGMA user_version = 1")
        db.execute("PRAGMA application_id = 0")
    db.close()
    with pytest.raises(Rejected, match="earlier"):
        await asyncio.to_thread(examine, tmp_path)
    async with store_at(tmp_path) as store:
        assert sum(rows(store).values()) == 2
        await put(store, [point(1), point(2)])
        await store.segments.seal()
        assert sum(rows(store).values()) == 3
