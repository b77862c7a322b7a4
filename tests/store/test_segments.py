from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.clock import SystemClock
from store.points import Points
from store.policies import FOREVER, Policies
from store.retention import Retention
from store.segment import KINDS, Segment
from store.segments import Segments
from store.store import Store
from store.upkeep import Upkeep
from twins.errors import Rejected
from twins.exchange import Batch, Event, Point, Result

ROOT = Path(__file__).parents[2]
COUNT = "SELECT count(*), count(DISTINCT (namespace, device, property, time, seq)) FROM points"


def sealed(segments: Segments) -> list[Segment]:
    """The segments of points."""
    return [segment for segment in segments.known if segment.kind == "points"]


async def put(store: Store, *points: Point) -> None:
    await store.journal.committed(store.journal.append(Batch(points=list(points))))


async def ask(store: Store, query: str) -> list[tuple[Any, ...]]:
    return (await store.sql.sql(query, deadline=20, limit=1000)).rows


async def test_a_segment_is_sorted_without_repeats_and_opens_anywhere(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        wanted = [Point(f"default/t-{n % 3}/temperature", n, n * 7, n / 10, None) for n in range(1000)]
        shuffled = random.Random(1).sample(wanted, len(wanted))
        await put(store, *shuffled[:600], Point("default/d/door", 5, 5, None, "open"))
        await put(store, *shuffled[400:])
        segment, *rollups = await store.segments.seal()
        assert [one.kind for one in rollups] == ["1m", "1h"]
        table = pq.read_table(store.segments.path(segment))
        assert segment.rows == len(table) == 1001
        assert (segment.first, segment.last) == (0, 999)
        assert table.schema.field("time").type == pa.timestamp("us", tz="UTC")
        assert hashlib.sha256(store.segments.path(segment).read_bytes()).hexdigest() == segment.digest
        keys = [(row["device"], row["time"], row["seq"]) for row in table.to_pylist()]
        assert keys == sorted(keys)
        assert await store.journal.transact(lambda db: db.execute("SELECT count(*) FROM point_log").fetchone()) == (0,)
        assert len(store.points) == 0


async def test_what_is_kept_is_for_its_user_alone(tmp_path: Path, store_at: Any, point: Any) -> None:
    before = os.umask(0o077)
    try:
        async with store_at(tmp_path / "data") as store:
            await put(store, point(1))
            await store.segments.seal()
            await store.blobs.put("alert-1", b"\xff\xd8\xff\xe0")
            found = {path: path.stat().st_mode & 0o777 for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]}
    finally:
        os.umask(before)
    assert {path.suffix for path in found} >= {".db", ".parquet", ""}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}


async def test_a_point_in_memory_and_in_a_segment_shows_once(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1, seq=1), point(2, seq=1), point(2, seq=1))
        assert await ask(store, COUNT) == [(2, 2)]
        await store.segments.seal()
        await put(store, point(2, seq=1), point(3, seq=1))
        assert await ask(store, COUNT) == [(3, 3)]
        await put(store, point(2, seq=2))
        assert await ask(store, COUNT) == [(4, 4)]
        await store.segments.seal()
        await put(store, point(1, seq=1), point(3, seq=1))
        assert await ask(store, COUNT) == [(4, 4)]
        assert await store.segments.seal() == []
        assert await ask(store, COUNT) == [(4, 4)]


async def test_points_sealed_and_unsealed_are_there_after_a_restart(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1), point(2, number=None, text="warm"))
        await store.segments.seal()
        await put(store, point(3, series="default/t-2/temperature"))
    async with store_at(tmp_path) as store:
        assert await ask(store, COUNT) == [(3, 3)]
        latest = store.points.latest("default/t-1/temperature")
        assert latest is not None
        assert (latest.at, latest.number, latest.text) == (2, None, "warm")


async def test_results_and_events_are_asked_for_before_and_after_sealing(tmp_path: Path, store_at: Any) -> None:
    query = "SELECT device, model, input, queue_ms, label, epoch_us(time) FROM results ORDER BY input"
    async with store_at(tmp_path) as store:
        results = [Result("default/cam", "person", "1", n, n, (), queue_us=1500) for n in (1, 2)]
        event = Event("e", 1, "Alarm", "default/cam", "alert", "somebody", detail={"who": "x"})
        await store.journal.committed(store.journal.append(Batch(results=results, events=[event])))
        wanted = [("cam", "person", n, 1.5, None, n) for n in (1, 2)]
        assert await ask(store, query) == wanted
        await store.segments.seal()
        assert await store.journal.transact(lambda db: db.execute("SELECT count(*) FROM results").fetchone()) == (0,)
        assert await ask(store, query) == wanted
        assert await ask(store, "SELECT kind, detail->>'who', node FROM events") == [("Alarm", "x", "edge-1")]


async def test_a_file_that_a_kill_left_before_its_transaction_is_removed(
    tmp_path: Path, store_at: Any, point: Any
) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1))
        left = store.segments.directory / f"{store.journal.id}-points-000000000001.parquet"
        left.write_bytes(b"PAR1")
        left.with_suffix(".tmp").write_bytes(b"PA")
    async with store_at(tmp_path) as store:
        assert not left.exists()
        assert await ask(store, COUNT) == [(1, 1)]


def harm(path: Path, how: str) -> None:
    size = path.stat().st_size
    if how == "gone":
        path.unlink()
    elif how == "cut":
        os.truncate(path, size // 2)
    elif how == "empty":
        os.truncate(path, 0)
    else:
        whole = bytearray(path.read_bytes())
        first = {"pages": 4, "footer": size - 200}[how]
        for place in range(first, first + 150):
            whole[place] ^= 0xFF
        path.write_bytes(whole)


@pytest.mark.parametrize("how", ["gone", "cut", "empty", "pages", "footer"])
@pytest.mark.parametrize("asked", [True, False])  # before the harm: what a reader remembers of a file must not help
async def test_a_damaged_segment_is_set_aside_and_the_rest_is_served(
    tmp_path: Path, store_at: Any, point: Any, caplog: Any, how: str, asked: bool
) -> None:
    async with store_at(tmp_path) as store:
        for start in (0, 1000):
            await put(store, *(point(start + n, number=n * 0.37 % 17) for n in range(1000)))
            await store.segments.seal()
        await put(store, point(5000))
        whole = "SELECT count(*), sum(value), sum(seq), max(time), max(device) FROM points"
        if asked:
            await ask(store, whole)
        first, second = sealed(store.segments)
        harm(store.segments.path(first), how)
        for _ in range(2):
            assert (await ask(store, whole))[0][0] == 1001
        assert sealed(store.segments) == [second]
        assert not store.segments.path(first).exists()
        assert (store.segments.directory / f"{first.name}.damaged").exists() == (how != "gone")
        assert await ask(store, "SELECT kind, object FROM events") == [("SegmentDamaged", first.name)]
        assert len([record for record in caplog.records if first.name in record.message]) == 1
        with pytest.raises(Rejected, match="valu"):
            await ask(store, "SELECT valu FROM points")
    async with store_at(tmp_path) as store:
        assert (await ask(store, whole))[0][0] == 1001


async def test_all_segments_may_be_damaged_at_once(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        for at in range(5):
            await put(store, point(at))
            await store.segments.seal()
        for segment in store.segments.known:
            harm(store.segments.path(segment), "empty")
        assert await ask(store, COUNT) == [(0, 0)]


async def test_segments_outlive_a_damaged_state_file(tmp_path: Path, store_at: Any, point: Any) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1), point(2))
        await store.segments.seal()
    (tmp_path / "state.db").write_bytes(b"no database at all" * 1000)
    async with store_at(tmp_path) as store:
        assert await ask(store, COUNT) == [(2, 2)]
        await put(store, point(2), point(3))
        await store.segments.seal()
        assert await ask(store, COUNT) == [(3, 3)]


async def test_a_place_that_cannot_be_written_keeps_the_points_in_the_log(
    tmp_path: Path, store_at: Any, point: Any
) -> None:
    async with store_at(tmp_path) as store:
        await put(store, point(1))
        aside = store.segments.directory.rename(tmp_path / "away")
        (tmp_path / "segments").write_bytes(b"")
        with pytest.raises(OSError):
            await store.segments.seal()
        assert await ask(store, COUNT) == [(1, 1)]
        (tmp_path / "segments").unlink()
        aside.rename(tmp_path / "segments")
        await store.segments.seal()
        assert await ask(store, COUNT) == [(1, 1)]


class At:
    """A clock that stands where it is put: `wall` seconds past the epoch, `passed` seconds of running."""

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.passed = 0.0

    def now(self) -> int:
        return int(self.wall * 1e6)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)

    def run(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


DAY = 86_400
YEARS = 50 * 365 * DAY


@pytest.mark.parametrize("seals", [True, False])
async def test_a_clock_that_jumps_ahead_removes_nothing_until_it_has_run_evenly_for_a_day(
    tmp_path: Path, journal_at: Any, point: Any, caplog: Any, seals: bool
) -> None:
    points, clock = Points(keep=seals), At(DAY)
    async with journal_at(tmp_path, sink=points.take) as (journal, _):
        policies = Policies(dict.fromkeys(KINDS, 30 * DAY * 1_000_000))
        segments = None
        if seals:
            segments = Segments(tmp_path / "segments", "edge-1", journal, points, SystemClock(), policies=policies)
        if segments:
            await segments.open()

        async def swept() -> int:
            await retention.sweep()
            (logged,) = await journal.transact(lambda db: db.execute("SELECT count(*) FROM point_log").fetchone())
            (events,) = await journal.transact(lambda db: db.execute("SELECT count(*) FROM events").fetchone())
            left = len(sealed(segments)) if segments else logged
            assert left == events
            return int(left)

        retention = Retention(journal, segments, policies, clock)
        await retention.sweep()
        event = Event("e-1", DAY * 1_000_000, "Joined", "x", "info", "x")
        await journal.committed(journal.append(Batch(points=[point(DAY * 1_000_000)], events=[event])))
        if segments:
            await segments.seal()
        clock.wall += YEARS
        assert await swept() == 1
        clock.run(600)
        assert await swept() == 1
        retention = Retention(journal, segments, policies, clock)  # a restart does not help it
        assert await swept() == 1
        clock.wall -= YEARS
        assert await swept() == 1
        clock.run(600)
        assert await swept() == 1
        assert len([record for record in caplog.records if "the clock" in record.message]) == 2  # once each start
        clock.run(31 * DAY)  # evenly: now it is true, and the point is old
        assert await swept() == 0
        if segments:
            segments.close()


async def test_without_segments_retention_bounds_the_log(tmp_path: Path, journal_at: Any, point: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        for at in range(10):
            await journal.committed(journal.append(Batch(points=[point(at)])))
        blob = await journal.transact(lambda db: db.execute("SELECT max(length(blob)) FROM point_log").fetchone()[0])
        await Retention(journal, None, Policies(FOREVER), SystemClock(), size=3 * blob).sweep()
        left = await journal.transact(lambda db: db.execute("SELECT first FROM point_log ORDER BY 1").fetchall())
    assert left == [(7,), (8,), (9,)]


async def test_another_program_reads_state_db_while_we_write(tmp_path: Path, journal_at: Any, point: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        reader = sqlite3.connect(tmp_path / "state.db")
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM twins").fetchone() == (0,)
        await journal.committed(journal.append(Batch(twins={"default/t-1": b"x"})))
        reader.close()


class Steps:
    """A clock whose sleeper is let go `steps` times; each sleep passes its time at once."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.asleep = asyncio.Event()
        self._steps = asyncio.Semaphore(0)

    def now(self) -> int:
        return int(self.passed * 1e6)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self._steps.acquire()
        self.passed += seconds

    async def step(self) -> None:
        """Let it work until it sleeps again."""
        async with asyncio.timeout(20):
            await self.asleep.wait()
            self.asleep.clear()
            self._steps.release()
            await self.asleep.wait()


async def test_points_are_sealed_when_enough_wait_or_when_they_waited_long_enough(
    tmp_path: Path, journal_at: Any, point: Any
) -> None:
    points, clock = Points(), Steps()
    async with journal_at(tmp_path, sink=points.take) as (journal, _), asyncio.TaskGroup() as group:
        segments = Segments(tmp_path / "segments", "edge-1", journal, points, clock)
        await segments.open()
        running = group.create_task(Upkeep(segments, journal, points, clock, rows=3, age=4.0).run())
        await journal.committed(journal.append(Batch(points=[point(1)])))
        await clock.step()
        assert sealed(segments) == []
        await journal.committed(journal.append(Batch(points=[point(2), point(3)])))
        await clock.step()
        assert [segment.rows for segment in sealed(segments)] == [3]
        await journal.committed(journal.append(Batch(points=[point(4)])))
        for _ in range(4):
            assert len(sealed(segments)) == 1
            await clock.step()
        assert [segment.rows for segment in sealed(segments)] == [3, 1]
        running.cancel()
        segments.close()


async def test_sealing_says_why_it_fails_and_goes_on_when_it_can(tmp_path: Path, journal_at: Any, point: Any) -> None:
    points, clock = Points(), Steps()
    async with journal_at(tmp_path, sink=points.take) as (journal, _), asyncio.TaskGroup() as group:
        segments = Segments(tmp_path / "segments", "edge-1", journal, points, clock)
        await segments.open()
        upkeep = Upkeep(segments, journal, points, clock, rows=1, age=1800.0)
        running = group.create_task(upkeep.run())
        segments.directory.rmdir()
        await journal.committed(journal.append(Batch(points=[point(1)])))
        await clock.step()
        assert upkeep.fault is not None
        segments.directory.mkdir()
        await clock.step()
        assert upkeep.fault is None
        assert [segment.rows for segment in sealed(segments)] == [1]
        running.cancel()
        segments.close()
