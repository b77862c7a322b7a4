"""How fast batches reach the disk: points a second by size of batch, and commits a second with many in flight.

    python benches/journal.py [SECONDS]

A batch counts when `committed` has returned, so every figure includes its fsync (`synchronous=FULL`). The directory is
the system's temporary one: set TMPDIR to measure another disk.
"""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from runtime.clock import SystemClock
from store.journal import Journal
from store.points import Points
from twins.exchange import Batch, Point

LOADS = (
    ("1 point", 1, 0, 1),
    ("100 points", 100, 0, 1),
    ("1000 points", 1000, 0, 1),
    ("a twin and 5 points", 5, 1, 1),
    ("a twin and 5 points", 5, 1, 64),
    ("a twin and 5 points", 5, 1, 400),
)


async def main(seconds: float) -> None:
    print(f"SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}, {platform.machine()}")
    print(f"{'batch':22}{'in flight':>10}{'batches/s':>12}{'points/s':>12}{'commits/s':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for name, points, twins, flights in LOADS:
        with tempfile.TemporaryDirectory() as directory:
            waits, commits = await measured(Path(directory), points, twins, flights, seconds)
        rate = len(waits) / seconds
        waits.sort()
        half, most = waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
        commit_rate = commits / seconds
        print(f"{name:22}{flights:10}{rate:12,.0f}{rate * points:12,.0f}{commit_rate:12,.0f}{half:9.2f}{most:9.2f}")


async def measured(directory: Path, points: int, twins: int, flights: int, seconds: float) -> tuple[list[float], int]:
    """How long each batch waited, and the number of commits."""
    memory = Points(keep=False)
    commits: list[int] = []

    def sink(batch: int, columns: object, series: object) -> None:
        commits.append(batch)
        memory.take(batch, columns, series)  # type: ignore[arg-type]

    journal = Journal(directory, SystemClock(), sink=sink)
    await journal.open()
    waits: list[float] = []
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(journal.run())
            end = time.perf_counter() + seconds
            lanes = [group.create_task(lane(journal, number, points, twins, end, waits)) for number in range(flights)]
            await asyncio.wait(lanes)
            writer.cancel()
    finally:
        await journal.close()
    return waits, len(commits)


async def lane(journal: Journal, number: int, points: int, twins: int, end: float, waits: list[float]) -> None:
    """One caller that waits for each of its batches."""
    batch = Batch(
        points=[Point(f"default/d-{number}/p-{n % 20}", n, n * 7919, n / 10, None) for n in range(points)],
        twins={f"default/d-{number}": b"x" * 400} if twins else {},
    )
    while (start := time.perf_counter()) < end:
        await journal.committed(journal.append(batch))
        waits.append(time.perf_counter() - start)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))
