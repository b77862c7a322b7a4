from __future__ import annotations

import asyncio
import datetime
import os
import re
import resource
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store.store import Store
from twins.errors import Rejected, Unavailable
from twins.exchange import Batch, Point

SECOND = 1_000_000

USEFUL = [
    "SELECT time_bucket(INTERVAL '1 minute', time) AS m, avg(value) FROM points GROUP BY m ORDER BY m DESC LIMIT 5",
    "SELECT date_trunc('day', time), count(*) FILTER (WHERE seq > 1), mad(value) FROM points GROUP BY ALL",
    "SELECT device, arg_max(value, time), max_by(text, time), first(value ORDER BY time) FROM points GROUP BY device",
    "FROM points SELECT value WHERE time > now() - INTERVAL 1 HOUR",
    "SELECT * EXCLUDE (seq) FROM points",
    "WITH warm AS (SELECT * FROM points WHERE value > 20) SELECT device, count(*) FROM warm GROUP BY 1",
    "WITH points AS (SELECT * FROM points WHERE value > 20) SELECT count(*) FROM points",
    "SELECT value - lag(value) OVER (PARTITION BY device ORDER BY time ROWS 1 PRECEDING) FROM points",
    "SELECT * FROM points QUALIFY row_number() OVER (PARTITION BY device ORDER BY time DESC) = 1",
    "SELECT p.value, t.desired FROM points p JOIN twins t USING (namespace, device, property)",
    "SELECT * FROM points a ASOF JOIN points b ON a.device = b.device AND a.time >= b.time",
    "SELECT d.state, n.site FROM devices d, nodes n",
    "SELECT strftime(time, '%H'), epoch(time), extract(hour FROM time), time AT TIME ZONE 'Europe/Vienna' FROM points",
    "SELECT string_agg(text, ','), list(value), count(DISTINCT device), stddev(value), median(value) FROM points",
    "SELECT CASE WHEN value > 1 THEN 'high' ELSE 'low' END, coalesce(text, ''), try_cast(text AS DOUBLE) FROM points",
    "SELECT device LIKE 't%', property IN ('a', 'b'), value BETWEEN 1 AND 2, regexp_matches(device, '^t') FROM points",
    "SELECT * FROM generate_series(1, 3) UNION SELECT * FROM range(5) ORDER BY 1",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
    "SELECT round(avg(score), 2), label FROM results GROUP BY label HAVING count(*) > 0",
    "SELECT * FROM (SELECT device FROM points EXCEPT SELECT device FROM devices)",
    "SELECT list_transform([1, 2], x -> x + 1), {'a': 1}.a, [1, 2][1], 7 // 2, -value FROM points",
    "SELECT * FROM range(now() - INTERVAL 1 DAY, now(), INTERVAL 1 HOUR), generate_series(-3, 3)",
    "SELECT lpad(device, 12, ' '), repeat('=', 20), list_sum(range(10)) FROM points",
    "VALUES (1), (2)",
]

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE hash(a.range + b.range) = 7"


async def filled(store: Store) -> None:
    points = [Point(f"default/t-{n % 2}/temperature", n * SECOND, n, 20.0 + n, None) for n in range(10)]
    await store.journal.committed(store.journal.append(Batch(points=points[:5])))
    await store.segments.seal()
    await store.journal.committed(store.journal.append(Batch(points=points[5:])))


async def ask(store: Store, query: str, *parameters: Any, limit: int = 1000, deadline: float = 20) -> Any:
    return await store.sql.sql(query, parameters, deadline=deadline, limit=limit)


async def test_what_people_ask_is_answered(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await filled(store)
        for query in USEFUL:
            assert (await ask(store, query)).columns, query


async def test_points_come_with_all_their_columns(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await filled(store)
        answer = await ask(store, "SELECT * FROM points WHERE device = ? ORDER BY time DESC", "t-1", limit=1)
        moment = datetime.datetime(1970, 1, 1, 0, 0, 9, tzinfo=datetime.UTC)
        assert answer.columns == ("time", "node", "namespace", "device", "property", "value", "text", "seq")
        assert answer.rows == [(moment, "edge-1", "default", "t-1", "temperature", 29.0, None, 9)]
        assert answer.truncated
        assert (await ask(store, "SELECT sum(seq) FROM points")).rows == [(45,)]


async def test_a_wild_time_is_stored_and_shown(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        wild = [Point("default/t/x", at, 0, 1.0, None) for at in (-(2**62), 0, 2**62)]
        await store.journal.committed(store.journal.append(Batch(points=wild)))
        for _ in range(2):
            rows = (await ask(store, "SELECT year(time), time FROM points ORDER BY time")).rows
            assert [row[0] for row in rows] == [1, 1970, 9999]
            await store.segments.seal()


async def test_a_point_is_seen_as_soon_as_it_is_committed(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        for count in range(1, 5):
            point = Point("default/t/x", count, 0, 1.0, None)
            await store.journal.committed(store.journal.append(Batch(points=[point])))
            assert (await ask(store, "SELECT count(*) FROM points")).rows == [(count,)]


async def test_live_tables_show_the_gateways_own_rows(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        answer = await ask(store, "SELECT namespace, device, reported, epoch(reported_at), edge_version FROM twins")
        assert answer.rows == [("default", "t-1", "20.5", 1.0, 3)]
        assert (await ask(store, "SELECT device, state, properties FROM devices")).rows == [("t-1", "online", 1)]
        assert (await ask(store, "SELECT node, labels FROM nodes")).rows == [("edge-1", "{}")]


@pytest.mark.parametrize(
    ("query", "help_given"),
    [
        ("SELECT * FROM point", "did you mean points"),
        ("SELECT valu FROM points", "did you mean value"),
        ("SELECT p.proprty FROM points p", "did you mean property"),
        ("SELECT averge(value) FROM points", "averge"),
        ("SELECT value FROM points WHERE", "cannot be read"),
        ("SELECT ? FROM points", "parameter"),
        ("DROP TABLE points", "only read"),
    ],
)
async def test_a_mistake_is_explained(tmp_path: Path, store_at: Any, query: str, help_given: str) -> None:
    async with store_at(tmp_path) as store:
        with pytest.raises(Rejected, match=help_given):
            await ask(store, query)


def in_status(process: int, name: str) -> int:
    """What the system says of a process's memory, in MiB: `VmHWM` is the most it held, `VmSize` its address space."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) // 1024


async def test_the_system_bounds_the_memory_of_a_process_for_queries(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path, sql_memory_mib=64) as store:
        await ask(store, "SELECT 1")
        (process,) = store.sql._idle
        soft, hard = resource.prlimit(process._process.pid, resource.RLIMIT_AS)
        used = in_status(process._process.pid, "VmSize")
        assert soft == hard
        assert soft // 2**20 - used <= 32 + 256


async def test_a_row_too_large_is_refused_with_its_size(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        for query in (
            "SELECT list(a.range) FROM range(1000000) a",
            "SELECT {'a': list([a.range]), 'b': 1} FROM range(600000) a",
            "SELECT histogram(a.range) FROM range(400000) a",
        ):
            with pytest.raises(Rejected, match=r"one row takes \d+ MiB, an answer may have 64") as refusal:
                await ask(store, query)
            assert refusal.value.code == 413


async def test_a_large_answer_is_cut_by_bytes(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        answer = await ask(store, "SELECT repeat('x', 10000) FROM range(100000)", limit=100_000)
        assert answer.truncated
        assert len(answer.rows) < 10_000


async def test_too_many_queries_at_once_are_turned_away(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await ask(store, "SELECT 1")
        answers = await asyncio.gather(*(ask(store, ENDLESS, deadline=0.5) for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, Unavailable) for answer in answers) == 4
        assert sum(isinstance(answer, Rejected) for answer in answers) == 16
        assert (await ask(store, "SELECT 1")).rows == [(1,)]


async def test_a_caller_who_goes_away_frees_the_thread(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await ask(store, "SELECT 1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ask(store, ENDLESS, deadline=60)
        assert (await ask(store, "SELECT 1", deadline=5)).rows == [(1,)]


KILLED = """
import asyncio, os, sys
from runtime.clock import SystemClock
from store.store import Store, StoreConfig

async def main():
    store = Store(StoreConfig(path=sys.argv[1]), "edge-1", SystemClock(), {})
    await store.open()
    await store.sql.sql("SELECT 1", deadline=20, limit=1)
    print(store.sql._idle[0]._process.pid, flush=True)
    await store.sql.sql(sys.argv[2], deadline=float(sys.argv[3]), limit=1)

asyncio.run(main())
"""


@pytest.mark.parametrize("query", ["SELECT 1", ENDLESS])
def test_a_process_for_queries_ends_when_its_gateway_is_killed(tmp_path: Path, query: str) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path), query, "1.5"]
    with subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        watched = os.pidfd_open(int(gateway.stdout.readline()))
        gateway.kill()
    ended, _, _ = select.select([watched], [], [], 10)
    os.close(watched)
    assert ended


BARE = """
import asyncio, sys
for name in ("duckdb", "numpy", "pyarrow", "sqlglot"):
    sys.modules[name] = None
from runtime.clock import SystemClock
from store.store import Store, StoreConfig
from twins.errors import Unavailable
from twins.exchange import Batch, Point

async def main():
    store = Store(StoreConfig(path=sys.argv[1]), "edge-1", SystemClock(), {})
    await store.open()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(store.run())
        await store.journal.committed(store.journal.append(Batch(points=[Point("a/b/c", 2**50, 1, 1.0, None)])))
        assert store.points.latest("a/b/c").number == 1.0
        try:
            await store.sql.sql("SELECT 1", deadline=5, limit=1)
        except Unavailable as error:
            print(error)
        running.cancel()
    await store.close()

asyncio.run(main())
"""


def test_a_gateway_without_sql_stores_and_says_what_to_install(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", BARE, str(tmp_path)], cwd=root, check=True, capture_output=True)
    assert b"pip install 'gemelo[sql]'" in done.stdout
    assert not (tmp_path / "segments").exists()
