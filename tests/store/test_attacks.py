"""The door of SQL under attack: nothing but queries gets in, and no query takes more than it may have."""

from __future__ import annotations

import random
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from store.store import Store
from tests.crowding import crowding
from twins.errors import Rejected

ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'x.parquet'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 WHERE EXISTS (SELECT * FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT content FROM read_text('/etc/passwd')",
    "SELECT * FROM points, read_text('/etc/passwd')",
    "SELECT * FROM points JOIN LATERAL (SELECT * FROM read_text('/etc/passwd')) ON true",
    "FROM read_text('/etc/passwd')",
    "SELECT * FROM \"read_text\"('/etc/passwd')",
    "SELECT * FROM main.read_text('/etc/passwd')",
    "SELECT main.getenv('HOME')",
    "SELECT ('HOME').getenv()",
    "SELECT * FROM system.main.duckdb_settings()",
    "SELECT * FROM unnest((SELECT list(content) FROM read_text('/etc/passwd')))",
    "SELECT * FROM range((SELECT size FROM read_blob('/etc/passwd')))",
    "SELECT list_transform([1], x -> getenv('HOME'))",
    "SELECT value FROM points ORDER BY getenv('HOME')",
    "SELECT count(*) OVER (PARTITION BY getenv('HOME')) FROM points",
    "SELECT * FROM points LIMIT (SELECT size FROM read_blob('/etc/passwd'))",
    "COPY points TO '/tmp/stolen.csv'",
    "COPY (SELECT 1) TO '/tmp/stolen.csv'",
    "ATTACH '/tmp/x.db' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO points() AS TABLE SELECT 1",
    "DROP VIEW points",
    "INSERT INTO points VALUES (1)",
    "UPDATE points SET value = 1",
    "DELETE FROM points",
    "TRUNCATE points",
    "ALTER TABLE points ADD COLUMN x INT",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN ANALYZE SELECT 1",
    "DESCRIBE points",
    "SUMMARIZE points",
    "SHOW ALL TABLES",
    "BEGIN",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "SELECT 1; DROP VIEW points",
    "SELECT 1; SELECT 2",
    "SELECT * INTO x FROM points",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_table_info('points')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM main.points",
    "SELECT * FROM temp.main.points",
    "SELECT * FROM _points",
    "SELECT * FROM sqlite_master, (WITH sqlite_master AS (SELECT 1) SELECT * FROM sqlite_master) AS t",
    "WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master",
    "WITH a AS (SELECT * FROM duckdb_views), duckdb_views AS (SELECT 1) SELECT * FROM a",
    "WITH x AS (DELETE FROM points RETURNING *) SELECT * FROM x",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT current_user",
    "SELECT query('SELECT 1')",
    "SELECT * FROM query('SELECT * FROM duckdb_settings()')",
    "SELECT * FROM query_table('points')",
    "SELECT nextval('x')",
    "SELECT pg_sleep(10)",
    "SELECT write_log('x')",
    "SELECT x'00' FROM read_text('/etc/passwd')",
    "SELECT 1 /* ; */ ; ATTACH 'x'",
    "PIVOT points ON device",
    "TABLE duckdb_settings",
    "(" * 3000 + "SELECT 1" + ")" * 3000,
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT " + "1," * 30_000 + "1",
    "",
    ";",
    "-- nothing",
    "SELECT",
    "hello",
    "SELECT 'unterminated",
    "SELECT range(8000000)",
    "SELECT generate_series(1, 1e9)",
    "SELECT range(10001)",
    "SELECT range(-8000000, 1)",
    "SELECT range(5 * 1000000)",
    "SELECT range(CAST('8000000' AS BIGINT))",
    "SELECT range(seq) FROM points",
    "SELECT unnest(range(8000000))",
    "SELECT * FROM unnest(range(8000000))",
    "SELECT * FROM points, LATERAL range(seq)",
    "SELECT * FROM range(100000000000)",
    "SELECT range(now() - INTERVAL 100 YEAR, now(), INTERVAL 1 SECOND)",
    "SELECT repeat('x', 200000000)",
    "SELECT repeat('x', 200000 * 1000)",
    "SELECT lpad('x', 200000000, 'y')",
    "SELECT rpad('x', 200000000, 'y')",
    "SELECT array_to_string(range(100000000), ',')",
    "SELECT list_transform(range(100000000), x -> x)",
    "\x00",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('{:>1000000000}', 'x')",
    "SELECT bar(1, 0, 1, 1000000000)",
    "SELECT list_resize([1], 1000000000)",
    "SELECT NULL::INT[1000000000]",
    "SELECT string_split_regex('a', 'b')",
    "SELECT * FROM points TABLESAMPLE 10%",
    "SELECT * FROM points USING SAMPLE reservoir(1000000000)",
    "SELECT * FROM (PIVOT points ON device USING avg(value))",
    "SELECT * FROM points UNPIVOT (v FOR n IN (value, seq))",
    "SELECT #9999999999 FROM points",
    "SELECT * REPLACE (getenv('HOME') AS device) FROM points",
    "SELECT {'a': getenv('HOME')}",
    "SELECT [getenv('HOME')]",
    "SELECT getenv('HOME') COLLATE nocase",
    "SELECT map(['a'], [getenv('HOME')])",
    "SELECT CAST('/etc/passwd' AS read_text)",
    "SELECT 'points'::regclass::oid",
    "SELECT CURRENT_CATALOG",
    "SELECT CURRENT_SCHEMA",
    "SELECT session_user",
    "SELECT user",
    "SELECT current_schema()",
    "SELECT current_database()",
    "SELECT version()",
    "SELECT txid_current()",
    "SELECT @@version",
    "SELECT $x",
    "SET VARIABLE x = 1",
    "SELECT setseed(0.5)",
    "SELECT stats(1)",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM repeat('x', 1000000000)",
    "SELECT * FROM repeat_row(1, num_rows=1000000000)",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM seq_scan('x')",
    "SELECT * FROM pg_timezone_names()",
    "SELECT * FROM read_ndjson('/etc/passwd')",
    "SELECT * FROM read_json_objects('/etc/passwd')",
    "SELECT * FROM read_duckdb('/etc/passwd')",
    "SELECT * FROM parquet_scan('/etc/passwd')",
    "SELECT * FROM parquet_file_metadata('x')",
    "SELECT * FROM sqlite_scan('state.db', 'twins')",
    "SELECT * FROM postgres_scan('host=x', 'p', 't')",
    "SELECT * FROM './state.db'.twins",
    "SELECT * FROM 'http://127.0.0.1:8080/api/v1/devices'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM 'segments/*.parquet'",
    'SELECT * FROM "segments/x.parquet"',
    "SELECT * FROM points AT (VERSION => 1)",
    "SELECT * FROM points, (VALUES (getenv('HOME')))",
    "VALUES ((SELECT content FROM read_text('/etc/passwd')))",
    "SELECT (FROM read_text('/etc/passwd'))",
    "SELECT ARRAY(SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM points WHERE device IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM points WHERE device = ANY (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM points GROUP BY getenv('HOME')",
    "SELECT * FROM points QUALIFY getenv('HOME') = ''",
    "SELECT sum(value) FILTER (WHERE getenv('HOME') = '') FROM points",
    "SELECT * FROM points ASOF JOIN points p ON getenv('HOME') = ''",
    "SELECT CASE WHEN getenv('HOME') = '' THEN 1 END",
    "SELECT TRY(getenv('HOME'))",
    "SELECT ('HOME').getenv().upper()",
    "SELECT list_aggregate(['HOME'], 'getenv')",
    "SELECT list_reduce(['HOME'], (a, b) -> getenv(b))",
    "SELECT [getenv(x) FOR x IN ['HOME']]",
    "SELECT [x FOR x IN range(100000000)]",
    "SELECT * FROM range(1, 10, 0)",
    "SELECT 1 /* unterminated",
    "SELECT 1/**/FROM/**/read_text/**/('/etc/passwd')",
    "SELECT * FROM READ_TEXT('/etc/passwd')",
    "SELECT * FROM r\u0065ad_text('/etc/passwd')",
    "SELECT * FROM \N{FULLWIDTH LATIN SMALL LETTER R}ead_text('/etc/passwd')",
    "SELECT getenv\N{ZERO WIDTH SPACE}('HOME')",
    "SELECT * FROM p\N{CYRILLIC SMALL LETTER O}ints",
    "SELECT $$a$$ || getenv('HOME')",
    "SELECT E'\x27 FROM read_text(\x27/etc/passwd\x27)'",
    "SELECT 1 -- \u2028; ATTACH 'x'\n; ATTACH 'x'",
    "WITH read_text AS (SELECT 1) SELECT * FROM read_text('/etc/passwd')",
    "WITH duckdb_settings AS (SELECT 1) SELECT * FROM duckdb_settings()",
    "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT * FROM x, read_text('/etc/passwd')) SELECT * FROM x",
    "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a",
    "SELECT * FROM (SELECT * FROM duckdb_columns) AS points",
    "SELECT * FROM points AS duckdb_columns, duckdb_columns",
    "SELECT * FROM points p, LATERAL (SELECT * FROM generate_series(1, p.seq::BIGINT))",
    "SELECT (SELECT count(*) FROM range(p.seq)) FROM points p",
    "SELECT row_number() OVER (ROWS BETWEEN getenv('HOME')::INT PRECEDING AND CURRENT ROW)",
    "MERGE INTO points USING points ON true WHEN MATCHED THEN DELETE",
    "COMMENT ON TABLE points IS 'x'",
    "CREATE FUNCTION f(x) AS x",
    "CREATE OR REPLACE TEMP VIEW points AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "DETACH memory",
    "USE memory",
    "LOAD 'x.so'",
    "FORCE INSTALL httpfs FROM 'http://x'",
    "PRAGMA enable_profiling",
    "SET GLOBAL enable_external_access = true",
    "RESET ALL",
    "COPY points FROM '/etc/passwd'",
    "COPY FROM DATABASE a TO b",
    "EXPORT DATABASE 'x' (FORMAT parquet)",
    "GRANT ALL ON points TO x",
    "SELECT * FROM (DESCRIBE points)",
    "FROM (SHOW ALL TABLES)",
    "SELECT json_execute_serialized_sql('x')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT json_extract('{\"a\": 1}', '$..*')",
    "SELECT read_text('/etc/passwd')",
    "SELECT enable_logging()",
    "SELECT current_query()",
    "SELECT error('x')",
    "SELECT factorial(1000000)",
    "SELECT bitstring('1', 1000000000)",
    "SELECT sql_auto_complete('x')",
    "SELECT now() AT TIME ZONE repeat('x', 10000)",
    "SELECT now() + INTERVAL 999999999 YEAR",
    "SHOW ALL",
    "SELECT list_value(range(10000E), 1)",
    "SELECT list_transform([1], x -> x), {'a',: 1}.a",
    "SELECT '1'::main.\"VARCHAR), (SELECT string_agg(name) FROM duckdb_settings()), (1\" FROM points",
    "SELECT '1'::\"my type), (SELECT count(*) FROM duckdb_tables()), (1\"",
    "SELECT TRY_CAST('1' AS main.\"VARCHAR), (SELECT content FROM read_text('/etc/passwd')), (1\")",
    "SELECT CAST(['1'] AS main.\"VARCHAR[]) FROM duckdb_settings() --\"[])",
    'SELECT \'1\'::main."a""::main.""b"") x"',
]


ENDLESS = [
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE hash(a.range + b.range) = 7",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
    "WITH RECURSIVE t(i) USING KEY (i) AS (SELECT 1 UNION SELECT i + 1 FROM t) SELECT * FROM t",
    "SELECT count(*) FROM range(1000000) a, range(1000000) b",
    "SELECT max(levenshtein(repeat('a', 10000), repeat('b', 9000) || a.range)) FROM range(1000000) a",
    "SELECT sum((SELECT count(*) FROM range(10000) b WHERE b.range > a.range)) FROM range(1000000) a",
    "SELECT count(*) FROM generate_series(now() - INTERVAL 9 YEAR, now(), INTERVAL 1 MICROSECOND)",
    "SELECT a.range FROM range(1000000) a, LATERAL (SELECT * FROM range(1000000) c WHERE c.range % 7 = a.range) b "
    "ORDER BY hash(a.range) LIMIT 1",
    "SELECT count(*) FROM range(1000000), range(1000000) a, range(1000000) b, range(1000000) c",
]
"""Each passes the allow-list and would run for hours."""

HUNGRY = [
    "SELECT list(a.range ORDER BY hash(a.range)) FROM range(1000000) a, range(50) b",
    "SELECT string_agg(a.range, ',') FROM range(1000000) a, range(1000) b",
    "SELECT list({'a': a.range, 'b': [b.range, 1]}) FROM range(1000000) a, range(1000) b",
    "SELECT length(repeat(repeat(repeat('x', 10000), 10000), 10))",
    "SELECT len(list_transform(range(10000), x -> list_transform(range(10000), y -> repeat('x', 100))))",
    "WITH RECURSIVE d(t) AS (SELECT 'x' UNION ALL SELECT concat(t, t) FROM d WHERE len(t) < 4e9) SELECT max(t) FROM d",
    "SELECT histogram(a.range * 1000000 + b.range) FROM range(1000000) a, range(1000) b",
    "SELECT regexp_replace(repeat('x', 10000), 'x', repeat('y', 10000), 'g')",
    "SELECT array_to_string(list_transform(range(10000), x -> repeat('x', 10000)), '')",
]
"""Each passes the allow-list and wants far more than it may have."""


RESTART = 8.0
"""Seconds for another process, which takes a third of one on a machine that does nothing else."""


async def ask(store: Store, query: str, *, deadline: float = 20) -> Any:
    return await store.sql.sql(query, deadline=deadline, limit=1000)


async def goes_on(store: Store, within: float = 1.0) -> None:
    """The next query is answered, and soon."""
    began = time.monotonic()
    assert (await ask(store, "SELECT 1")).rows == [(1,)]
    assert time.monotonic() - began < within * crowding()


async def test_no_attack_gets_further_than_a_refusal(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await ask(store, "SELECT 1")
        for attack in ATTACKS:
            with pytest.raises(Rejected) as refusal:
                print(attack[:80], await ask(store, attack, deadline=2))
            assert refusal.value.reason
            assert refusal.value.code in {400, 403, 404, 413}, (attack, refusal.value.reason)
            await goes_on(store)
        assert (await ask(store, "SELECT count(*) FROM points")).rows == [(0,)]


def test_there_are_many_attacks() -> None:
    assert len(set(ATTACKS)) >= 200


def test_the_wall_behind_the_list_holds_alone(tmp_path: Path) -> None:
    import duckdb

    from store.sql.sources import Sources

    (tmp_path / "segments").mkdir()
    sources = Sources("edge-1", tmp_path / "state.db", tmp_path / "segments", 64)
    cursor = sources.cursor()
    for attack in (
        "SELECT * FROM read_text('/etc/passwd')",
        f"SELECT * FROM read_text('{tmp_path}/state.lock')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/x.db'",
        "SET enable_external_access = true",
        "SET threads = 8",
        "INSTALL httpfs",
        "SELECT * FROM ATTACKS",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(attack).fetchall()


async def test_a_query_without_end_stops_at_its_deadline_and_the_next_is_answered(
    tmp_path: Path, store_at: Any
) -> None:
    async with store_at(tmp_path) as store:
        await ask(store, "SELECT 1")
        for query in ENDLESS:
            began = time.monotonic()
            with pytest.raises(Rejected, match=r"longer than|more memory") as refusal:
                print(query, await ask(store, query, deadline=0.2))
            assert refusal.value.code in {408, 413}
            assert time.monotonic() - began < 2.0 * crowding()
            await goes_on(store, RESTART)


def resident() -> int:
    """The most that this process held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


@pytest.mark.slow
async def test_no_query_takes_more_memory_than_queries_have(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path, sql_memory_mib=64) as store:
        await ask(store, "SELECT 1")
        before = resident()
        for query in HUNGRY:
            with pytest.raises(Rejected) as refusal:
                print(query, await ask(store, query, deadline=5))
            print(refusal.value.code, query, refusal.value.reason)
            assert refusal.value.code in {408, 413}, query
            await goes_on(store, RESTART)
        assert resident() < before + 20


def test_mangled_queries_are_read_or_refused_and_nothing_else() -> None:
    from store.sql.guard import guard
    from store.sql.question import Asked

    chance = random.Random(20261121)
    words = [word for attack in ATTACKS if len(attack) < 300 for word in re.findall(r"\w+|\W", attack)]
    for _ in range(3000):
        mangled = re.findall(r"\w+|\W", chance.choice(ATTACKS)[:300])
        for _ in range(chance.randint(1, 4)):
            place = chance.randint(0, len(mangled))
            mangled[place : place + chance.randint(0, 2)] = chance.choices(words, k=chance.randint(0, 2))
        with suppress(Rejected):
            assert isinstance(guard.__wrapped__("".join(mangled)), Asked)
