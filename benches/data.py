"""The data engine: ten million rows of sensors written, sealed and merged; how many a second, in how much space.

50 machines say temperature, humidity, current and vibration once a second, four values a message with one time and
one digest, as they come through the gateway's doors: random walks in the steps of real sensors (0.1, 1, 0.001, 0.0001),
some milliseconds early or late. Beside it the same rows go into plain SQLite, plain DuckDB and, where it is installed,
InfluxDB, in batches of the same size, each on disk before the next. The directory is the system's temporary one: set
TMPDIR to measure another disk.

The engine runs in a process of its own, whose memory is what is told; `per core` are the rows a second of its processor
time, sealing and merging and all other threads within it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benches.beside import BESIDE
from benches.figures import Figure, percentile, resident, show
from gateway.interpreter import tune
from runtime.clock import SystemClock
from store.store import Store, StoreConfig
from twins.exchange import Batch, Point

MACHINES, STEPS = 50, (0.1, 1.0, 0.001, 0.0001)
NAMES = ("temperature", "humidity", "current", "vibration")
BATCH = 1000
"""Points of a batch: 250 messages."""
PACED = 400
START = 1_790_000_000_000_000
LATER = START + 365 * 86_400_000_000


def main(quick: bool = False) -> list[Figure]:
    """Rows a second, bytes a row, waits and memory."""
    rows = 500_000 if quick else 10_000_000
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        words = [sys.executable, "-m", "benches.data", folder, str(rows)]
        told = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    figures = [
        Figure("data: ingest, durable, sealed and merged", told["rate"], "rows/s"),
        Figure("data: ingest per core", told["per_core"], "rows/s", "≥ 250,000"),
        Figure("data: commit at full speed, 8 batches in flight, p50", told["p50"] * 1e3, "ms"),
        Figure("data: commit at full speed, 8 batches in flight, p99", told["p99"] * 1e3, "ms"),
        Figure("data: commit at 50,000 points/s, sealing, p50", told["paced_p50"] * 1e3, "ms"),
        Figure("data: commit at 50,000 points/s, sealing, p99", told["paced_p99"] * 1e3, "ms", "≤ 20"),
        Figure("data: points on disk", told["points"], "B/row", "≤ 2.5"),
        Figure("data: points and rollups on disk", told["all"], "B/row"),
        Figure("data: segments of points", told["segments"], ""),
        Figure("data: memory of the process, most", told["memory"], "MB", "≤ 200"),
        Figure("data: memory of the process before the first row", told["idle"], "MB"),
    ]
    beside = rows // 20
    for name, work in BESIDE.items():
        with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
            found = work(Path(folder), list(readings(beside)))
        if found is None:
            continue
        figures += [
            Figure(f"data: plain {name}, a batch's commit alone, p99", found.late * 1e3, "ms"),
            Figure(f"data: plain {name}, {beside:,} rows, ingest per core", beside / found.spent, "rows/s"),
            Figure(f"data: plain {name}, on disk", found.size / beside, "B/row"),
        ]
    show("data: ten million rows of sensors", figures)
    return figures


def readings(rows: int) -> Iterator[list[Point]]:
    """Batches of points, second by second."""
    import numpy as np

    chance = np.random.default_rng(1)
    series = [f"default/m-{machine}/{name}" for machine in range(MACHINES) for name in NAMES]
    steps = np.tile(np.array(STEPS), MACHINES)
    digits = [max(0, round(-np.log10(step))) for step in steps]
    level = np.round(20 / steps)
    waiting: list[Point] = []
    for second in range(rows // len(series)):
        level += chance.integers(-1, 2, len(series))
        late = np.repeat(chance.integers(-20, 20, MACHINES), len(NAMES))
        at = (START + second * 1_000_000 + late * 1000).tolist()
        seq = np.repeat(chance.integers(-(2**63), 2**63 - 1, MACHINES), len(NAMES)).tolist()
        values = [round(value, places) for value, places in zip((level * steps).tolist(), digits, strict=True)]
        waiting += map(Point, series, at, seq, values, [None] * len(series))
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]


async def _engine(folder: Path, rows: int) -> dict[str, float]:
    tune()
    store = Store(StoreConfig(path=str(folder), keep_days=1e6), "edge-1", SystemClock(), {})
    await store.open()
    waits: list[float] = []
    made = most = 0.0
    idle = resident()
    began, spent = time.perf_counter(), time.process_time()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run())
            batches = readings(rows)
            flying: list[asyncio.Task[None]] = []
            while True:
                before = time.thread_time()
                points = next(batches, None)
                made += time.thread_time() - before
                if points is None:
                    break
                flying.append(group.create_task(_put(store, points, waits)))
                if len(flying) == 8:
                    await asyncio.wait(flying)
                    flying.clear()
                    most = max(most, resident())
                while store.journal.pressure > 0.8:  # noqa: ASYNC110 - as the core does
                    await asyncio.sleep(0.01)
            if flying:
                await asyncio.wait(flying)
            await store.segments.seal()
            while await store.segments.merge():
                most = max(most, resident())
            passed, spent = time.perf_counter() - began, time.process_time() - spent
            paced = await _paced(store, 2.0 if rows < 1_000_000 else 20.0)
            running.cancel()
        kept = [one for one in store.segments.known if one.kind == "points"]
        kept = [one for one in kept if one.first < LATER]
        count = sum(one.rows for one in kept)
        assert count == rows, (count, rows)
    finally:
        await store.close()
    waits.sort()
    paced.sort()
    return {
        "rate": rows / (passed - made),
        "per_core": rows / (spent - made),
        "p50": percentile(waits, 0.5),
        "p99": percentile(waits, 0.99),
        "paced_p50": percentile(paced, 0.5),
        "paced_p99": percentile(paced, 0.99),
        "points": sum(one.bytes for one in kept) / rows,
        "all": sum(one.bytes for one in store.segments.known if one.first < LATER) / rows,
        "segments": len(kept),
        "memory": max(most, _highest()),
        "idle": idle,
    }


async def _paced(store: Store, seconds: float) -> list[float]:
    """50,000 points a second in batches of a core's turn, some hundred messages; sealed as they gather."""
    waits: list[float] = []
    base = [Point(f"default/m-{n % 200}/p", LATER + n, n, n / 10, None) for n in range(PACED)]
    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for turn in range(round(seconds * 50_000 / PACED)):
            points = [Point(p.series, p.at + turn * PACED, p.seq, p.number, None) for p in base]
            await asyncio.sleep(max(0.0, began + turn * PACED / 50_000 - time.perf_counter()))
            group.create_task(_put(store, points, waits))
    return waits


async def _put(store: Store, points: list[Point], waits: list[float]) -> None:
    began = time.perf_counter()
    await store.journal.committed(store.journal.append(Batch(points=points)))
    waits.append(time.perf_counter() - began)


def _highest() -> float:
    """The most of this process's memory that ever was there, in MB; what the system's accounting tells begins with the
    parent's.
    """
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_engine(Path(sys.argv[1]), int(sys.argv[2])))))
    sys.stdout.flush()
    os._exit(0)
