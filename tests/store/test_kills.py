"""The store is killed at each of its named points, and at random, while it writes, seals, merges and removes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from store.steps import STEPS
from store.table import overlapping, tabulate, without
from tests.store.clocks import Still

ROOT = Path(__file__).parents[2]
SERIES = 20


class Lives:
    """Children of a process of its own, each killed; what they acknowledged is remembered."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self._process = process
        self._path = path
        self.acknowledged: dict[int, int] = {}

    def kill(self, **how: Any) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(self._path), **how}) + "\n")
        self._process.stdin.flush()
        told: dict[str, int] = json.loads(self._process.stdout.readline())
        assert told["signal"] == 9, "it ended by itself"
        self.acknowledged[told["boot"]] = told["last"]
        return told


@contextmanager
def lives(path: Path) -> Iterator[Lives]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("lives.py"))],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Lives(process, path)
    finally:
        process.kill()
        process.communicate()


async def check(path: Path, acknowledged: dict[int, int], store_at: Any) -> None:
    """All that was acknowledged is there, once; and of what was not, whole batches or nothing."""
    async with store_at(path, clock=Still()) as store:
        segments, directory = store.segments.known, store.segments.directory
        memory = tabulate(store.points.snapshot(), store.points.series, "edge-1")
        tables = [without(memory, overlapping(memory, segments, directory))]
        tables += [pq.read_table(directory / one.name) for one in segments if one.kind == "points"]
        found = Counter(
            (row["seq"], row["device"], int(row["value"]))
            for table in tables
            for row in table.select(["seq", "device", "value"]).to_pylist()
            if row["device"] not in {"old", "aged"}
        )
        assert set(found.values()) <= {1}, "doubled"
        for boot, last in acknowledged.items():
            counts = Counter(count for (seq, _, count) in found if seq == boot)
            assert set(counts.values()) <= {SERIES}, "half a batch"
            assert sorted(counts) == list(range(len(counts))), "missing"
            assert len(counts) > last, "acknowledged and missing"
        query = (
            "SELECT epoch_us(time) - 86400000000, count(*), count(DISTINCT input), max(input) FROM results GROUP BY 1"
        )
        for boot, rows, distinct, last in (await store.sql.sql(query, deadline=20, limit=10_000)).rows:
            assert rows == distinct == last + 1 > acknowledged.get(boot, -1)
        listed = {one.name for one in segments}
        assert {file.name for file in directory.iterdir()} == listed, "files that nobody knows"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_kill_at_each_named_point_neither_loses_nor_doubles(tmp_path: Path, store_at: Any) -> None:
    with lives(tmp_path / "data") as each:
        for step in STEPS:
            told = each.kill(step=step, nth=random.randint(1, 2))
            assert not told["late"], f"{step} was never reached"
        await check(tmp_path / "data", each.acknowledged, store_at)


@pytest.mark.timeout(180)
async def test_kills_at_random_neither_lose_nor_double(tmp_path: Path, store_at: Any) -> None:
    with lives(tmp_path / "data") as each:
        for _ in range(12):
            each.kill(after=random.uniform(0.05, 0.5))
        await check(tmp_path / "data", each.acknowledged, store_at)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hundred_kills_at_random_neither_lose_nor_double(tmp_path: Path, store_at: Any) -> None:
    for life in range(10):
        with lives(tmp_path / str(life)) as each:
            for _ in range(20):
                each.kill(after=random.uniform(0.05, 1.5))
            await check(tmp_path / str(life), each.acknowledged, store_at)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_each_named_point_is_survived_at_many_of_its_times(tmp_path: Path, store_at: Any) -> None:
    with lives(tmp_path / "data") as each:
        for nth in (1, 2, 4, 7):
            for step in STEPS:
                each.kill(step=step, nth=nth)
        await check(tmp_path / "data", each.acknowledged, store_at)
