"""What an asker may read, as conditions of its query: on DuckDB, over rows of several series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="DuckDB is not installed: the extra `sql`")

import duckdb

from store.sql.guard import guard
from store.sql.rights import ALL, allows, restricted
from twins.errors import Rejected

SERIES = ["default/t-1/temperature", "default/t-1/code", "default/t-2/temperature", "plant/t-1/temperature"]
SOME = ["default/*/temperature"]


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with duckdb.connect(":memory:", config={"threads": 1}) as made:
        made.execute("CREATE TABLE points (namespace VARCHAR, device VARCHAR, property VARCHAR, value DOUBLE)")
        made.execute("CREATE TABLE devices (namespace VARCHAR, device VARCHAR)")
        for series in SERIES:
            made.execute("INSERT INTO points VALUES (?, ?, ?, 1)", series.split("/"))
        made.execute("INSERT INTO devices SELECT DISTINCT namespace, device FROM points")
        yield made


def rows(connection: Any, query: str, *rights: Sequence[str]) -> list[Any]:
    return sorted(connection.sql(guard(restricted(query, rights)).statement.sql).fetchall())


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        ([ALL], SERIES),
        ([], []),
        (SOME, [SERIES[0], SERIES[2]]),
        (["*/t-1/*"], [SERIES[0], SERIES[1], SERIES[3]]),
        (["default/t-?/code", "plant/*/*"], [SERIES[1], SERIES[3]]),
        (["default/t-1/temp*"], [SERIES[0]]),
        (["default/t'1/*"], []),
    ],
)
def test_rows_of_other_series_are_not_there(connection: Any, patterns: list[str], seen: list[str]) -> None:
    query = "SELECT namespace, device, property FROM points"
    assert rows(connection, query, patterns) == sorted(tuple(one.split("/")) for one in seen)
    assert [one for one in SERIES if allows([patterns], one)] == seen


def test_all_rights_have_to_allow_a_row(connection: Any) -> None:
    assert rows(connection, "SELECT count(*) FROM points", SOME, ["default/t-1/*"]) == [(1,)]
    assert allows([SOME, ["default/t-1/*"]], SERIES[0])
    assert not allows([SOME, ["default/t-1/*"]], SERIES[2])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("SELECT count(*) FROM points p WHERE p.value > 0 OR p.value < 0", 2),
        ("SELECT count(*) FROM points AS p(a, b, c, d)", 2),
        ("SELECT count(*) FROM POINTS", 2),
        ("SELECT count(*) FROM points p LEFT JOIN points q ON q.property = 'code'", 2),
        ("SELECT count(*) FROM points p, points q", 4),
        ("SELECT count(*) FROM (SELECT * FROM points)", 2),
        ("WITH p AS (SELECT * FROM points) SELECT count(*) FROM p", 2),
        ("SELECT (SELECT count(*) FROM points)", 2),
        ("SELECT sum(n) FROM (SELECT count(*) n FROM points UNION ALL SELECT count(*) FROM points)", 4),
        ("SELECT count(*) FROM points WHERE EXISTS (SELECT 1 FROM points q WHERE q.property = 'code')", 0),
        ("FROM points SELECT count(*)", 2),
    ],
)
def test_no_form_of_a_query_gets_around_it(connection: Any, query: str, count: int) -> None:
    assert rows(connection, query, SOME) == [(count,)]


def test_rows_of_whole_devices_need_all_their_properties(connection: Any) -> None:
    assert rows(connection, "SELECT count(*) FROM devices", SOME) == [(0,)]
    assert rows(connection, "SELECT device FROM devices", ["default/t-2/*"]) == [("t-2",)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM events", "events is for who may read everything"),
        ("SELECT * FROM nodes", "nodes is for who may read everything"),
        ("SELECT * FROM twins_at('2026-01-01')", "twins_at.. is for who may read everything"),
        ("WITH points AS (SELECT * FROM points) SELECT * FROM points", "give it another name"),
        ("COPY points TO 'x'", "not allowed"),
    ],
)
def test_what_is_of_no_series_is_refused(query: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        restricted(query, [SOME])


def test_where_nothing_is_narrowed_the_query_is_as_it_was() -> None:
    query = "SELECT  * FROM events"
    assert restricted(query, [[ALL], [ALL, "x/y/z"]]) is query


def test_a_lone_table_is_narrowed_in_its_where_so_that_a_plan_can_use_it() -> None:
    asked = guard(restricted("SELECT avg(value) FROM points", [["default/t-1/temperature"]]))
    assert asked.statement.sql.endswith(
        "FROM points WHERE (points.namespace = 'default' AND points.device = 't-1' AND points.property = 'temperature')"
    )
    assert asked.rolled is not None
