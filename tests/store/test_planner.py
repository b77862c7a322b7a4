"""Aggregates from rollups are the aggregates of the points, and what cannot be is not tried."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from store.sql.guard import guard
from tests.store import history
from twins.exchange import Batch

BUCKET = "time_bucket(INTERVAL '1 minute', time)"

ROLLED = [
    f"SELECT {BUCKET} AS m, avg(value) FROM points GROUP BY m",
    "SELECT date_trunc('hour', time) AS h, device, min(value), max(value) FROM points GROUP BY ALL ORDER BY h DESC",
    "SELECT avg(value) FROM points",
    "SELECT count(*), count(value) FROM points",
    "SELECT round(avg(value), 2) AS a FROM points WHERE device = ? AND time >= now() - INTERVAL 1 HOUR",
    "SELECT device, max(value) - min(value) FROM points GROUP BY 1 HAVING count(*) > 3 ORDER BY 2 LIMIT 4",
    "SELECT time_bucket(INTERVAL 15 MINUTES, p.time) AS t, stddev(p.value) FROM points p GROUP BY 1 ORDER BY 1",
    "WITH hot AS (SELECT device, avg(value) a FROM points GROUP BY 1) SELECT * FROM hot WHERE a > 3",
    "SELECT * FROM (SELECT property, sum(value) s FROM points WHERE value IS NOT NULL GROUP BY ALL) WHERE s > 1",
    "SELECT d.device, x.a FROM devices d JOIN (SELECT device, avg(value) a FROM points GROUP BY 1) x USING (device)",
    "SELECT sum(value) FROM points WHERE time BETWEEN '2026-11-21' AND '2026-11-22' AND property LIKE 'temp%'",
    "SELECT CASE WHEN avg(value) > 1 THEN 'high' ELSE 'low' END FROM points WHERE device IN ('a', 'b') OR node = 'x'",
    "SELECT time_bucket(INTERVAL '1 minute', time) AS time, avg(value) AS value FROM points GROUP BY 1 ORDER BY time",
    "SELECT upper(device) AS d, avg(value) FROM points GROUP BY d",
    'SELECT avg("select".value) FROM points AS "select"',
    "SELECT avg(value) AS a, a * 2 AS b, a || 'x' FROM points GROUP BY ALL",
    "SELECT count(*) AS n, device FROM points GROUP BY ALL HAVING n > 0 ORDER BY n DESC, device",
]

NOT_ROLLED = [
    "SELECT * FROM points",
    "SELECT value FROM points",
    "SELECT avg(value) FROM points WHERE value > 3",
    "SELECT avg(value) FROM points WHERE text IS NULL",
    "SELECT avg(value) FROM points WHERE text = 'a' OR device = 'b'",
    "SELECT avg(value + 1) FROM points",
    "SELECT avg(seq) FROM points",
    "SELECT count(text) FROM points",
    "SELECT count(DISTINCT value) FROM points",
    "SELECT count(device) FROM points",
    "SELECT median(value) FROM points",
    "SELECT mad(value), avg(value) FROM points",
    "SELECT histogram(device), avg(value) FROM points",
    "SELECT list(device), avg(value) FROM points",
    "SELECT string_agg(device, ','), avg(value) FROM points",
    "SELECT arg_max(value, time) FROM points",
    "SELECT max(time), avg(value) FROM points",
    "SELECT first(value ORDER BY time) FROM points",
    "SELECT avg(value) FILTER (WHERE device = 'a') FROM points",
    "SELECT avg(value) OVER (PARTITION BY device) FROM points",
    "SELECT avg(value), sum(avg(value)) OVER () FROM points",
    "SELECT DISTINCT avg(value) FROM points GROUP BY device",
    "SELECT time_bucket(INTERVAL '30 seconds', time) AS t, avg(value) FROM points GROUP BY t",
    "SELECT time_bucket(INTERVAL '90 seconds', time) AS t, avg(value) FROM points GROUP BY t",
    "SELECT time_bucket(INTERVAL '1 minute', time, INTERVAL '30 seconds') AS t, avg(value) FROM points GROUP BY t",
    "SELECT date_trunc('second', time) AS t, avg(value) FROM points GROUP BY t",
    "SELECT date_trunc('hour', time AT TIME ZONE 'Asia/Kathmandu') AS t, avg(value) FROM points GROUP BY t",
    "SELECT hour(time), avg(value) FROM points GROUP BY ALL",
    "SELECT time, avg(value) FROM points GROUP BY time",
    "SELECT time_bucket(INTERVAL '1 minute', time) AS time, avg(value) FROM points GROUP BY time",
    "SELECT property AS device, avg(value) FROM points GROUP BY device",
    "SELECT avg(value) AS value FROM points GROUP BY device HAVING value > 1",
    "SELECT device, avg(value) FROM points GROUP BY CUBE (device)",
    "SELECT device, avg(value) FROM points GROUP BY GROUPING SETS ((device), ())",
    "SELECT avg(p.value) FROM points p JOIN devices d ON p.device = d.device",
    "SELECT avg(value) FROM points, devices",
    "SELECT avg(a.value) FROM points a, points b",
    "SELECT d.device, (SELECT avg(value) FROM points p WHERE p.device = d.device) FROM devices d",
    "SELECT avg(value) FROM points WHERE device IN (SELECT device FROM devices)",
    "SELECT avg(value) FROM points WHERE time > (SELECT max(last_seen) FROM devices)",
    "SELECT avg(value) FROM points WHERE time > '2026-11-21' OR device = 'a'",
    "SELECT avg(value) FROM points WHERE NOT time > '2026-11-21'",
    "SELECT device FROM points GROUP BY device",
    "SELECT avg(value), * FROM points GROUP BY ALL",
    "SELECT avg(value) AS _n FROM points HAVING _n > 1",
    "SELECT avg(v) FROM points AS p(t, n, s, d, p, v)",
    "SELECT stddev(value) AS a, a * 2 AS b FROM points GROUP BY ALL",
    "SELECT avg(value) FROM points QUALIFY row_number() OVER () = 1",
    "WITH points AS (SELECT 1.0 AS value) SELECT avg(value) FROM points",
]


@pytest.mark.parametrize("query", ROLLED)
def test_it_can_be_asked_of_rollups(query: str) -> None:
    rolled = guard(query).rolled
    assert rolled is not None
    assert " rolled" in rolled.statement.sql
    assert "points" not in rolled.statement.sql.replace("_points", "").replace('AS "points"', "")


def test_what_can_be_asked_of_rollups_is_answered_by_them(tmp_path: Path) -> None:
    past = history.History(tmp_path)
    past.seal(history.some_points(random.Random(4), 200, history.START, history.START + 5 * 60 * history.MINUTE))
    live = {"devices": [("default/t-1", "m", "online", "", None, 1)]}
    for query in ROLLED:
        asked = guard(query)
        parameters = ["t-1"] * asked.parameters
        by_rollups, plan = past.ask(asked, *parameters, live=live)
        by_points, _ = past.ask(structs.replace(asked, rolled=None), *parameters, live=live)
        assert plan.startswith("rollups of") or "now()" in query or "device IN" in query, (query, plan)
        assert len(by_rollups) == len(by_points), query


@pytest.mark.parametrize("query", NOT_ROLLED)
def test_it_needs_the_points(query: str) -> None:
    assert guard(query).rolled is None


@pytest.mark.parametrize(
    ("query", "hourly"),
    [
        ("SELECT avg(value) FROM points", True),
        ("SELECT date_trunc('hour', time), avg(value) FROM points GROUP BY 1", True),
        ("SELECT date_trunc('week', time), avg(value) FROM points GROUP BY 1", True),
        ("SELECT time_bucket(INTERVAL '2 hours', time), avg(value) FROM points GROUP BY 1", True),
        ("SELECT time_bucket(INTERVAL '120 minutes', time), avg(value) FROM points GROUP BY 1", True),
        ("SELECT time_bucket(INTERVAL '90 minutes', time), avg(value) FROM points GROUP BY 1", False),
        ("SELECT date_trunc('minute', time), avg(value) FROM points GROUP BY 1", False),
        ("SELECT date_trunc('hour', time), date_trunc('minute', time), avg(value) FROM points GROUP BY ALL", False),
    ],
)
def test_an_hour_will_do_where_every_bucket_is_of_whole_hours(query: str, hourly: bool) -> None:
    rolled = guard(query).rolled
    assert rolled is not None
    assert rolled.hourly is hourly


def a_query(chance: random.Random) -> str:
    """Some query that can be asked of rollups."""
    buckets = ("time_bucket(INTERVAL '1 minute', time)", "date_trunc('hour', time)", "date_trunc('day', time)")
    more = ("time_bucket(INTERVAL '7 minutes', time)", "time_bucket(INTERVAL '3 hours', time)")
    names = ("device", "property", "namespace", "node", "lower(device)")
    keys = chance.sample((*buckets, *more), chance.randint(0, 1)) + chance.sample(names, chance.randint(0, 2))
    of = ["avg", "sum", "count", "min", "max", "stddev", "stddev_pop", "var_samp", "var_pop"]
    wanted = [f"{chance.choice(of)}(value)" for _ in range(chance.randint(1, 3))]
    wanted += chance.sample(("count(*)", "max(value) - min(value)", "coalesce(sum(value), -1)"), chance.randint(0, 2))
    conditions = []
    for sign in (">=", ">", "<", "<="):
        if chance.random() < 0.35:
            at = history.START + chance.randint(-30, 60 * 60) * history.MINUTE // chance.choice((1, 1, 7))
            conditions.append(f"time {sign} to_timestamp({at / 1e6:.6f})")
    if chance.random() < 0.2:
        conditions.append("'2026-11-21 10:20:00Z' <= time")
    if chance.random() < 0.3:
        conditions.append(chance.choice(("device = 't-1'", "property LIKE '%e%'", "device IN ('t-1', 'p-1')", "1 = 1")))
    if chance.random() < 0.2:
        conditions.append("value IS NOT NULL")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    having = " HAVING count(*) > 1" if keys and chance.random() < 0.2 else ""
    return f"SELECT {', '.join([*keys, *wanted])} FROM points{where}{group}{having}"


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def in_order(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: [str(cell) for cell in row if not isinstance(cell, float)])


@pytest.mark.parametrize("seed", range(5))
def test_with_and_without_rollups_the_answer_is_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    past = history.History(tmp_path)
    first = history.START
    for number in range(chance.randint(1, 4)):
        last = first + chance.choice((3, 50, 1000)) * history.MINUTE + chance.randint(0, history.MINUTE)
        rollups = chance.choice((("1m", "1h"), ("1m", "1h"), ("1m",), ()))
        past.seal(
            history.some_points(chance, 200, first, last, number * 1000), rollups=rollups if number else ("1m", "1h")
        )
        first = last + chance.choice((1, 10, 500)) * history.MINUTE
    past.remember(history.some_points(chance, 60, first - 20 * history.MINUTE, first + 90 * history.MINUTE, 9000))
    used = 0
    for _ in range(40):
        query = a_query(chance)
        asked = guard(query)
        assert asked.rolled is not None, query
        by_rollups, plan = past.ask(asked)
        by_points, _ = past.ask(structs.replace(asked, rolled=None))
        used += plan.startswith("rollups of")
        assert len(by_rollups) == len(by_points), (query, plan, by_rollups[:3], by_points[:3])
        pairs = list(zip(in_order(by_rollups), in_order(by_points), strict=True))
        assert all(map(same, one, other) for one, other in pairs)
        for one, other in pairs:
            assert all(map(same, one, other)), (query, plan, one, other)
    assert used > 5


def test_only_what_no_bucket_holds_wholly_is_read_from_the_points(tmp_path: Path) -> None:
    chance = random.Random(1)
    past = history.History(tmp_path)
    past.seal(history.some_points(chance, 300, history.START, history.START + 90 * history.MINUTE))
    query = (
        "SELECT count(*), avg(value) FROM points WHERE time >= '2026-11-21 10:00:30Z' AND time < '2026-11-21 11:10Z'"
    )
    rows, plan = past.ask(guard(query))
    assert plan == "rollups of 1m for 1 of 1 segments; points: 0 of 1 segments and 0 rows in memory"
    since, until = history.START + 30_000_000, history.START + 70 * history.MINUTE
    among = [point for point in past.points if since <= point.at < until]
    assert rows[0][0] == len(among)
    assert rows == past.ask(structs.replace(guard(query), rolled=None))[0] or same(
        rows[0][1], past.ask(structs.replace(guard(query), rolled=None))[0][0][1]
    )


def test_rollups_whose_points_are_gone_are_no_part_of_points_but_of_their_own_tables(tmp_path: Path) -> None:
    chance = random.Random(2)
    past = history.History(tmp_path)
    past.seal(history.some_points(chance, 50, history.START, history.START + 9 * history.MINUTE))
    gone = [one for one in past.segments if one.kind == "points"]
    past.segments = [one for one in past.segments if one.kind != "points"]
    past.seal(history.some_points(chance, 40, history.START + 5 * history.MINUTE, history.START + 99 * history.MINUTE))
    past.remember(
        history.some_points(chance, 30, history.START + 90 * history.MINUTE, history.START + 91 * history.MINUTE)
    )
    assert gone
    numbers = [point for point in past.points if point.number is not None]
    for table in ("points_1m", "points_1h"):
        rows, _ = past.ask(guard(f"SELECT sum(n), sum(sum), min(min), max(max) FROM {table}"))
        wanted = (
            len(numbers),
            sum(p.number for p in numbers),
            min(p.number for p in numbers),
            max(p.number for p in numbers),
        )
        assert all(map(same, rows[0], wanted))
    assert past.ask(guard("SELECT count(value) FROM points"))[0][0][0] < len(numbers)


def test_a_rollup_of_parts_is_the_rollup_of_the_whole(tmp_path: Path) -> None:
    chance = random.Random(3)
    past = history.History(tmp_path)
    points = history.some_points(chance, 900, history.START, history.START + 20 * history.MINUTE)
    chance.shuffle(points)
    past.seal(points[:300])
    past.seal(points[300:500], rollups=())
    past.seal(points[500:800])
    past.remember(points[800:])
    for table, width in (("points_1m", history.MINUTE), ("points_1h", 60 * history.MINUTE)):
        rows, plan = past.ask(guard(f"SELECT * REPLACE (epoch_us(time) AS time) FROM {table} ORDER BY ALL"))
        wanted = history.rolled(points, width, "edge-1").to_pylist()
        assert plan == f"{table}: 2 segments, 1 without rollups"
        names = [tuple(row.values()) for row in wanted]
        for one, other in zip(in_order(rows), in_order(names), strict=True):
            assert one[1:5] == other[1:5]
            assert all(same(mine, theirs) for mine, theirs in zip(one[5:9], other[5:9], strict=True))
            assert all(map(same, (one[9], one[11], one[13]), (other[9], other[11], other[13])))


async def test_what_the_store_sealed_is_asked_of_its_rollups(tmp_path: Path, store_at: Any) -> None:
    chance = random.Random(8)
    points = history.some_points(chance, 400, history.START, history.START + 20 * 60 * history.MINUTE)

    async with store_at(tmp_path) as store:

        async def ask(query: str) -> tuple[list[Any], str]:
            answer = await store.sql.encoded(query, form="json", deadline=20, limit=10_000)
            return msgspec.json.decode(answer.body), answer.plan

        for some in (points[:300], points[300:380]):
            await store.journal.committed(store.journal.append(Batch(points=some)))
            await store.segments.seal()
        await store.journal.committed(store.journal.append(Batch(points=[*points[380:], *points[:20]])))
        numbers = [point.number for point in points if point.number is not None]
        (row,), plan = await ask("SELECT count(*), count(value), sum(value), min(value), max(value) FROM points")
        assert plan.startswith("rollups of 1h for ")
        wanted = (len(points), len(numbers), math.fsum(numbers), min(numbers), max(numbers))
        assert all(map(same, row, wanted))
        for table in ("points_1m", "points_1h"):
            (row,), _ = await ask(f"SELECT sum(n), sum(sum), min(min), max(max) FROM {table}")
            assert all(map(same, row, wanted[1:]))
