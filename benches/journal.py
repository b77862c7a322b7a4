"""How fast batches reach the disk: points a second by size of batch, and commits a second with many in flight.

A batch counts when `committed` has returned, so every figure includes its fsync (`synchronous=FULL`). The directory is
the system's temporary one: set TMPDIR to measure another disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benches.figures import Figure, percentile, show
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


def main(quick: bool = False) -> list[Figure]:
    """Batches a second and how long each waited for its commit."""
    seconds = 0.4 if quick else 2.0
    figures: list[Figure] = []
    for name, points, twins, flights in LOADS:
        with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
            waits, commits = asyncio.run(measured(Path(folder), points, twins, flights, seconds))
        waits.sort()
        title = f"journal: {name}, {flights} in flight"
        figures += [
            Figure(title, len(waits) / seconds, "batches/s"),
            Figure(f"{title}: points", len(waits) * points / seconds, "points/s"),
            Figure(f"{title}: commits", commits / seconds, "commits/s"),
            Figure(f"{title}: p50", percentile(waits, 0.5) * 1e3, "ms"),
            Figure(f"{title}: p99", percentile(waits, 0.99) * 1e3, "ms"),
        ]
    show("journal: batches to disk, each waited for", figures)
    return figures


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
    main("--quick" in sys.argv)
