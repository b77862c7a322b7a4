"""Questions in SQL over ten million points, beside DuckDB reading the same rows from a table of its own, sorted alike.

50 devices of 4 properties, a value a second with jitter: random walks, quantised as sensors are. They are sealed in
segments by the store itself; some wait in memory. Every question goes the whole way: guard, process, bytes of JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from benches.figures import Figure, percentile, show
from runtime.clock import SystemClock
from store.columns import Columns
from store.sql import guard as guards
from store.store import Store, StoreConfig
from twins.exchange import Batch, Point

START = 1_795_219_200_000_000
DEVICES, PROPERTIES = 50, ("temperature", "humidity", "current", "vibration")
QUANTA = (0.1, 1.0, 0.001, 0.0001)
SERIES = [f"default/dev-{device:02}/{name}" for device in range(DEVICES) for name in PROPERTIES]
BY_MINUTE = """
SELECT time_bucket(INTERVAL '1 minute', time) AS minute, device, property, avg(value) AS mean
FROM points GROUP BY ALL
"""
WHOLE = f"SELECT count(*), sum(mean) FROM ({BY_MINUTE})"
"""All averages are computed, and one row leaves: what is measured is the reading."""
RANGE = """
SELECT time, value FROM points WHERE namespace = 'default' AND device = ? AND property = ?
AND time >= to_timestamp(?) AND time < to_timestamp(?) ORDER BY time
"""
SCAN = "SELECT device, stddev(value), count(text) FROM points GROUP BY device"


def main(quick: bool = False) -> list[Figure]:
    """Milliseconds of each question, median."""
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        figures = asyncio.run(measured(Path(folder), 5_000 if quick else 50_000))
    show("sql: questions to the store", figures)
    return figures


async def measured(folder: Path, seconds: int) -> list[Figure]:
    live: Any = {"twins": list, "devices": list, "nodes": list}
    store = Store(StoreConfig(path=str(folder), keep_days=1e6, seal_points=10**9), "edge-1", SystemClock(), live)
    await store.open()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run())
            figures = await _filled(store, seconds)
            figures += await _asked(store, seconds)
            figures += await _scanned(store, seconds)
            running.cancel()
    finally:
        await store.close()
    return figures


async def _filled(store: Store, seconds: int) -> list[Figure]:
    chance, at = np.random.default_rng(7), START
    level = chance.normal(20, 5, (len(SERIES), 1))
    count, spent = 0, 0.0
    for length in _lengths(seconds):
        columns = _walk(chance, level, at, length)
        at += length * 1_000_000
        count += len(columns)
        store.points.take(count, columns, SERIES)
        began = time.perf_counter()
        await store.segments.seal()
        spent += time.perf_counter() - began
    store.points.take(count + 1, _walk(chance, level, at, 50), SERIES)
    size = sum(one.bytes for one in store.segments.known if one.kind == "points")
    return [
        Figure("sql: points in segments", count, "points"),
        Figure("sql: a point on disk", size / count, "bytes", "<= 2.5"),
        Figure("sql: sealing", count / spent, "points/s"),
    ]


def _lengths(seconds: int) -> Iterator[int]:
    """Seconds of each segment: a million points or less."""
    while seconds:
        yield min(seconds, 5000)
        seconds -= min(seconds, 5000)


def _walk(chance: Any, level: Any, at: int, length: int) -> Columns:
    quanta = np.tile(QUANTA, DEVICES)[:, None]
    walks = level + np.cumsum(chance.normal(0, 1, (len(SERIES), length)) * quanta, axis=1)
    level[:] = walks[:, -1:]
    times = at + np.arange(length) * 1_000_000 + chance.integers(0, 100, (len(SERIES), length)) * 1000
    columns = Columns()
    columns.series = array("I", np.repeat(np.arange(len(SERIES), dtype=np.uint32), length).tobytes())
    columns.at = array("q", times.astype(np.int64).tobytes())
    columns.seq = array("q", np.tile(np.arange(length, dtype=np.int64) + at // 1_000_000, len(SERIES)).tobytes())
    columns.number = array("d", (np.round(walks / quanta) * quanta).astype(np.float64).tobytes())
    return columns


async def _asked(store: Store, seconds: int) -> list[Figure]:
    middle = START / 1e6 + seconds / 2
    natively = await asyncio.to_thread(_native, [store.segments.path(one) for one in store.segments.known])
    plain = guards.guard

    def unplanned(text: str) -> Any:
        return structs.replace(plain(text), rolled=None)

    guards.guard = unplanned  # type: ignore[assignment]
    raw = await _median(lambda: _ask(store, WHOLE), 5)
    guards.guard = plain
    rolled = await _median(lambda: _ask(store, WHOLE), 5)
    plan = (await store.sql.encoded(WHOLE, form="json", deadline=60, limit=10)).plan
    rows = await _median(lambda: _ask(store, BY_MINUTE, form="arrow"), 3)
    hour = await _median(lambda: _ask(store, RANGE, "dev-07", "humidity", middle, middle + 3600), 15)
    short = await _median(lambda: _ask(store, RANGE, "dev-07", "humidity", middle, middle + 600), 15)
    latest = await _median(lambda: _ask(store, "SELECT * FROM latest"), 15)
    return [
        Figure("sql: one-minute average of all series, DuckDB's own table", natively, "ms"),
        Figure("sql: one-minute average of all series, from the points", raw, "ms"),
        Figure("sql: of DuckDB's own", raw / natively, "times", "<= 2"),
        Figure(f"sql: one-minute average, {plan.partition(' for')[0] or plan}", rolled, "ms"),
        Figure("sql: the averages themselves, as Arrow", rows, "ms"),
        Figure("sql: an hour of one series", hour, "ms", "<= 15"),
        Figure("sql: ten minutes of one series", short, "ms", "<= 15"),
        Figure("sql: table latest of 200 series", latest, "ms"),
        _newest(),
    ]


def _newest() -> Figure:
    from store.points import Points
    from store.sql.latest import Latest

    series = [f"default/dev-{number // 4}/p-{number % 4}" for number in range(10_000)]
    points = Points()
    batch = [Point(name, 1, 1, 1.0, None) for name in series]
    points.take(1, Columns.of(batch, {name: key for key, name in enumerate(series)}), series)
    latest = Latest(points)
    latest.rows()
    times = []
    for _ in range(21):
        began = time.perf_counter()
        latest.rows()
        times.append(time.perf_counter() - began)
    return Figure("sql: newest of 10,000 series, in process", sorted(times)[10] * 1e3, "ms", "<= 5")


async def _scanned(store: Store, seconds: int) -> list[Figure]:
    """How long commits of 100 points wait while nobody asks, and while full scans run one after the other."""
    quiet = await _commits(store, 200 if seconds < 50_000 else 1500)
    scanning = asyncio.Event()
    scans = 0

    async def scan() -> None:
        nonlocal scans
        while not scanning.is_set():
            await _ask(store, SCAN)
            scans += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(scan())
        busy = await _commits(store, 200 if seconds < 50_000 else 1500)
        scanning.set()
    return [
        Figure("sql: commit of 100 points, p99, nobody asks", quiet, "ms"),
        Figure("sql: the same while full scans run", busy, "ms"),
        Figure("sql: of that without", busy / quiet, "times", "< 2"),
        Figure("sql: full scans meanwhile", scans, "scans"),
    ]


async def _commits(store: Store, count: int) -> float:
    waits = []
    for number in range(count):
        points = [Point(SERIES[n % 200], START - number * 1000 - n, n, 1.5, None) for n in range(100)]
        began = time.perf_counter()
        await store.journal.committed(store.journal.append(Batch(points=points)))
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    return percentile(sorted(waits), 0.99) * 1e3


async def _ask(store: Store, text: str, *parameters: Any, form: Any = "json") -> None:
    await store.sql.encoded(text, parameters, form=form, deadline=60, limit=1_000_000)


async def _median(work: Callable[[], Awaitable[None]], times: int) -> float:
    """Milliseconds."""
    await work()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        found.append(time.perf_counter() - began)
    return sorted(found)[times // 2] * 1e3


def _native(paths: list[Path]) -> float:
    """The same question to a table of DuckDB with the same rows in the same order, in milliseconds."""
    import duckdb

    files = ", ".join(f"'{path}'" for path in paths if "points" in path.name)
    with duckdb.connect(config={"threads": min(2, os.cpu_count() or 1)}) as base:
        order = "namespace, device, property, time"
        base.execute(f"CREATE TABLE points AS SELECT * FROM read_parquet([{files}]) ORDER BY {order}")
        times = []
        for _ in range(6):
            began = time.perf_counter()
            base.sql(WHOLE).fetchall()
            times.append(time.perf_counter() - began)
    return sorted(times[1:])[2] * 1e3


if __name__ == "__main__":
    main("--quick" in sys.argv)
