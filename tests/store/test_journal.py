from __future__ import annotations

import asyncio
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from store import state
from store.columns import Columns
from store.journal import Journal
from twins.errors import Broken, Unavailable
from twins.exchange import Batch, Box, Detection, Event, Mark, OutboxRow, Result, Ticket

ROOT = Path(__file__).parents[2]


class Rush:
    """A clock that never makes anybody wait long: `sleep` yields to the loop and counts."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> int:
        return 1_700_000_000_000_000

    def monotonic(self) -> float:
        return self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0.001)


def a_full_batch(point: Any) -> Batch:
    seen = Detection("person", 0.9, Box(0.1, 0.2, 0.3, 0.4), track=7)
    return Batch(
        twins={"default/t-1": b"twin", "default/gone": b"x"},
        rules={"intruder/door": b"armed"},
        timers={"intruder/door/exit": (123, b"timer")},
        manifests={("Device", "default/t-1"): b"yaml"},
        points=[point(10), point(11, number=None, text="warm")],
        results=[Result("default/cam", "person", "1", 5, 10, (seen,)), Result("default/cam", "person", "1", 6, 11, ())],
        events=[Event("e1", 10, "Joined", "default/t-1", "info", "hello", "mqtt:1:1", {"a": "b"})],
        outbox={"k1": OutboxRow("k1", "twin", "default/t-1", 1, b"body", "mqtt:1:1")},
        seen=[1, 2**64 - 1, -5],
    )


async def test_everything_committed_is_read_back(tmp_path: Path, point: Any, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, first):
        ticket = journal.append(a_full_batch(point))
        await journal.committed(ticket)
        await journal.committed(journal.append(Batch(twins={"default/gone": None}, clock=Mark(1, 2))))
        await journal.committed(journal.append(Batch()))
    found: list[Columns] = []
    async with journal_at(tmp_path, sink=lambda _, columns, __: found.append(columns)) as (journal, recovered):
        assert (first.boot, recovered.boot) == (1, 2)
        assert recovered.twins == {"default/t-1": b"twin"}
        assert recovered.rules == {"intruder/door": b"armed"}
        assert recovered.timers == {"intruder/door/exit": (123, b"timer")}
        assert (first.clock, recovered.clock) == (None, Mark(1, 2))
        assert recovered.manifests == {("Device", "default/t-1"): b"yaml"}
        assert recovered.outbox == [OutboxRow("k1", "twin", "default/t-1", 1, b"body", "mqtt:1:1")]
        assert recovered.seen == [1, 2**64 - 1, -5]
        assert recovered.events == a_full_batch(point).events
        (columns,) = found
        assert list(columns.points(journal.series)) == a_full_batch(point).points


async def test_a_result_is_a_row_for_each_detection_and_one_when_nothing_was_seen(
    tmp_path: Path, point: Any, journal_at: Any
) -> None:
    async with journal_at(tmp_path) as (journal, _):
        await journal.committed(journal.append(a_full_batch(point)))
        await journal.committed(journal.append(a_full_batch(point)))
        rows = await journal.transact(lambda db: db.execute("SELECT seq, label, track FROM results").fetchall())
    assert rows == [(5, "person", 7), (6, None, None)]


async def test_batches_that_gather_during_a_commit_share_the_next(tmp_path: Path, point: Any, journal_at: Any) -> None:
    commits: list[int] = []
    async with journal_at(tmp_path, sink=lambda last, *_: commits.append(last)) as (journal, _):
        tickets = [journal.append(Batch(points=[point(at)])) for at in range(500)]
        async with asyncio.timeout(10):
            await asyncio.gather(*(journal.committed(ticket) for ticket in reversed(tickets)))
    assert commits[-1] == 500
    assert len(commits) < 10


async def test_an_empty_journal_commits_a_lone_batch_at_once(tmp_path: Path, point: Any, journal_at: Any) -> None:
    clock = Rush()
    async with journal_at(tmp_path, clock=clock) as (journal, _):
        await journal.committed(journal.append(Batch(points=[point()])))
    assert clock.slept == 0


async def test_an_outbox_row_that_changes_moves_to_the_end(tmp_path: Path, journal_at: Any) -> None:
    def row(key: str, seq: int) -> OutboxRow:
        return OutboxRow(key, "twin", "d", seq, b"")

    async with journal_at(tmp_path) as (journal, _):
        journal.append(Batch(outbox={"a": row("a", 1), "b": row("b", 2), "c": row("c", 3)}))
        await journal.committed(journal.append(Batch(outbox={"a": row("a", 4), "c": None})))
    async with journal_at(tmp_path) as (_, recovered):
        assert [(kept.key, kept.seq) for kept in recovered.outbox] == [("b", 2), ("a", 4)]


async def test_old_digests_are_forgotten_and_the_newest_kept(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path, digests=100) as (journal, _):
        for start in range(0, 1000, 40):
            await journal.committed(journal.append(Batch(seen=list(range(start, start + 40)))))
    async with journal_at(tmp_path, digests=100) as (journal, recovered):
        assert recovered.seen[-1] == 999
        assert 100 <= len(recovered.seen) <= 180
        await journal.committed(journal.append(Batch(seen=[1000])))
    async with journal_at(tmp_path) as (_, recovered):
        assert recovered.seen[-2:] == [999, 1000]


async def test_numbers_too_large_for_the_disk_are_fitted_not_fatal(tmp_path: Path, point: Any, journal_at: Any) -> None:
    found: list[Columns] = []
    async with journal_at(tmp_path, sink=lambda _, columns, __: found.append(columns)) as (journal, _):
        await journal.committed(journal.append(Batch(points=[point(10**30, seq=2**64 - 1)])))
        (kept,) = found[0].points(journal.series)
    assert (kept.at, kept.seq) == (253_402_300_799_999_999, -1)


@pytest.mark.parametrize("wild", [2**63, 2**64 - 1, -(2**80)])
async def test_no_integer_from_outside_stops_the_journal(tmp_path: Path, journal_at: Any, wild: int) -> None:
    seen = Detection("person", 0.9, track=wild)
    result = Result("default/door", "people", "1", wild, wild, (seen,), queue_us=wild, infer_us=wild)
    batch = Batch(
        results=[result],
        events=[Event("e-1", wild, "Wild", "x", "info", "x")],
        timers={"t": (wild, b"")},
        outbox={"o": OutboxRow("o", "Device", "default/door", wild, b"", "")},
    )
    async with journal_at(tmp_path) as (journal, _):
        await journal.committed(journal.append(batch))
        (row,) = await journal.transact(lambda db: db.execute("SELECT seq, track FROM results").fetchall())
        folded = (wild + 2**63) % 2**64 - 2**63
        assert row == (folded, folded)
    async with journal_at(tmp_path) as (_, recovered):
        assert [row.seq for row in recovered.outbox] == [folded]
        assert [event.id for event in recovered.events] == ["e-1"]


async def test_pressure_rises_with_what_waits_and_falls_with_the_commit(
    tmp_path: Path, point: Any, journal_at: Any
) -> None:
    async with journal_at(tmp_path, capacity=100) as (journal, _):
        ticket = journal.append(Batch(points=[point(at) for at in range(79)]))
        assert journal.pressure == pytest.approx(0.8)
        journal.append(Batch(points=[point(at) for at in range(79)]))
        assert journal.pressure == 1.0
        await journal.committed(Ticket(ticket + 1))
        assert journal.pressure == 0.0


async def test_close_writes_what_is_pending_without_a_writer(tmp_path: Path, point: Any, journal_at: Any) -> None:
    journal = Journal(tmp_path, SystemClock())
    await journal.open()
    ticket = journal.append(Batch(twins={"default/t-1": b"last words"}))
    await journal.close()
    await journal.committed(ticket)
    async with journal_at(tmp_path) as (_, recovered):
        assert recovered.twins == {"default/t-1": b"last words"}


async def test_a_commit_whose_waiter_was_cancelled_is_not_written_twice(
    tmp_path: Path, point: Any, journal_at: Any
) -> None:
    journal = Journal(tmp_path, SystemClock())
    await journal.open()
    journal.append(Batch(points=[point(at) for at in range(5000)]))
    writer = asyncio.get_running_loop().create_task(journal.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.cancel()
    await asyncio.wait([writer], timeout=5)
    await journal.close()
    found: list[Columns] = []
    async with journal_at(tmp_path, sink=lambda _, columns, __: found.append(columns)):
        assert [len(columns) for columns in found] == [5000]


async def test_a_full_disk_acknowledges_nothing_and_recovers_by_itself(
    tmp_path: Path, point: Any, journal_at: Any
) -> None:
    """The kernel's own limit on the size of files stands in for the full disk."""
    clock = Rush()
    async with journal_at(tmp_path, clock=clock) as (journal, _):
        await journal.committed(journal.append(Batch(points=[point(1)])))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = (tmp_path / "state.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, hard))
        try:
            ticket = journal.append(Batch(points=[point(at) for at in range(2, 20_002)]))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await journal.committed(ticket)
            assert journal.fault is not None
            assert journal.pressure > 0
            assert clock.slept >= 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        async with asyncio.timeout(10):
            await journal.committed(ticket)
        assert journal.fault is None
    found: list[Columns] = []
    async with journal_at(tmp_path, sink=lambda _, columns, __: found.append(columns)):
        assert sum(map(len, found)) == 20_001


async def test_what_cannot_be_written_at_the_end_is_refused_to_those_who_wait(
    tmp_path: Path, point: Any, journal_at: Any
) -> None:
    journal = Journal(tmp_path, SystemClock())
    await journal.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        ticket = journal.append(Batch(points=[point(at) for at in range(20_000)]))
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(refused(journal, ticket))
            await asyncio.sleep(0)
            group.create_task(journal.close())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "closed before" in waiting.result()


async def refused(journal: Journal, ticket: Any) -> str:
    with pytest.raises(Unavailable) as caught:
        await journal.committed(ticket)
    return str(caught.value)


@pytest.mark.parametrize("harm", ["garbage", "truncated", "page", "blob"])
async def test_a_damaged_file_is_kept_aside_and_told_in_one_event(
    tmp_path: Path, point: Any, journal_at: Any, harm: str
) -> None:
    async with journal_at(tmp_path) as (journal, _):
        many = {f"default/t-{n}": b"x" * 500 for n in range(300)}
        await journal.committed(journal.append(Batch(twins=many, points=[point()])))
        await journal.transact(lambda db: None)
    damage(tmp_path / "state.db", harm)
    async with journal_at(tmp_path) as (journal, recovered):
        if harm in {"page", "truncated"}:
            assert 0 < len(recovered.twins) < 300
        else:
            assert len(recovered.twins) == {"garbage": 0, "blob": 300}[harm]
        assert all(recovered.twins[name] == body for name, body in many.items() if name in recovered.twins)
        assert recovered.boot > 1_600_000_000
        (event,) = recovered.events
        assert int(event.detail.get("twins", "0")) == len(recovered.twins)
        assert event.kind == "StoreDamaged"
        assert (tmp_path / "state.db.damaged-1").exists()
        await journal.committed(journal.append(Batch(twins={"default/t-1": b"new"})))
    async with journal_at(tmp_path) as (_, again):
        assert again.twins == recovered.twins | {"default/t-1": b"new"}


def damage(path: Path, harm: str) -> None:
    content = path.read_bytes()
    if harm == "garbage":
        path.write_bytes(random.Random(1).randbytes(len(content)))
    elif harm == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "page":
        middle = len(content) // 4096 // 2 * 4096
        path.write_bytes(content[:middle] + b"\xff" * 4096 + content[middle + 4096 :])
    else:
        with sqlite3.connect(path) as db:
            db.execute("UPDATE point_log SET blob = x'93'")
        db.close()


async def test_a_second_gateway_on_the_same_store_is_refused(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path):
        with pytest.raises(Unavailable, match="another gateway"):
            await Journal(tmp_path, SystemClock()).open()


async def test_a_file_of_a_newer_gemelo_is_refused_and_left_alone(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("PRAGMA user_version = 99")
        db.execute(f"PRAGMA application_id = {state.sign(99)}")
    db.close()
    with pytest.raises(Broken, match="newer"):
        await Journal(tmp_path, SystemClock()).open()
    assert not (tmp_path / "state.db.damaged-1").exists()


async def test_a_place_without_the_right_to_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        await Journal(tmp_path / "file" / "store", SystemClock()).open()


CHILD = """
import asyncio, sys
from pathlib import Path
from runtime.clock import SystemClock
from store.journal import Journal
from twins.exchange import Batch, Point

async def main():
    journal = Journal(Path(sys.argv[1]), SystemClock())
    boot = (await journal.open()).boot
    async with asyncio.TaskGroup() as group:
        group.create_task(journal.run())
        for lane in range(8):
            group.create_task(write(journal, boot, lane))

async def write(journal, boot, lane):
    count = 0
    while True:
        key = f"default/d-{boot}-{lane}-{count}"
        points = [Point(f"{key}/p", count, n, 1.0, None) for n in range(3)]
        ticket = journal.append(Batch(twins={key: b"x"}, points=points, seen=[count]))
        await journal.committed(ticket)
        print(key, flush=True)
        count += 1

asyncio.run(main())
"""


async def test_a_kill_at_any_time_loses_nothing_acknowledged(tmp_path: Path, journal_at: Any) -> None:
    acknowledged: set[str] = set()
    for _ in range(6):
        acknowledged |= killed(tmp_path, random.uniform(0.02, 0.4))
    assert len(acknowledged) > 100
    found: list[Columns] = []
    async with journal_at(tmp_path, sink=lambda _, columns, __: found.append(columns)) as (journal, recovered):
        assert acknowledged <= recovered.twins.keys()
        assert recovered.boot == 7
        assert not recovered.events
        stored = [point for columns in found for point in columns.points(journal.series)]
    identities = {(point.series, point.at, point.seq) for point in stored}
    assert len(identities) == len(stored)
    # A batch is whole or absent: its twin and its three points live and die together.
    assert {series.rsplit("/", 1)[0] for series, _, _ in identities} == recovered.twins.keys()
    assert len(stored) == 3 * len(recovered.twins)


def killed(path: Path, after: float) -> set[str]:
    """What a child acknowledged before SIGKILL, `after` seconds from its first acknowledgement."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = child.stdout.readline().strip()
    deadline = time.monotonic() + after
    lines = [first]
    while time.monotonic() < deadline:
        lines.append(child.stdout.readline().strip())
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().splitlines()
    child.stdout.close()
    child.wait(10)
    whole = rest[:-1] if rest else []  # the last line may be cut
    return {line for line in (*lines, *whole) if line}


async def test_a_file_at_its_bound_takes_no_more_until_there_is_room(
    tmp_path: Path, journal_at: Any, point: Any
) -> None:
    async with journal_at(tmp_path, most=400_000) as (journal, _), asyncio.timeout(20):
        many = Batch(points=[point(n, seq=n * 7919) for n in range(5000)])
        taken = 0
        while journal.fault is None:
            ticket = journal.append(many)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await journal.committed(ticket)
                    taken += 1
        assert taken >= 1
        assert (tmp_path / "state.db").stat().st_size <= 400_000
        await journal.transact(lambda db: db.execute("DELETE FROM point_log"))
        await journal.committed(ticket)
        assert journal.fault is None
