"""A query over a group, taken apart and put together, is the query over all rows: on DuckDB, for many shapes."""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="DuckDB is not installed: the extra `sql`")

import duckdb
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.schema import TABLES
from store.sql.guard import guard
from store.sql.split import Split, named, split
from twins.errors import Rejected

Row = tuple[Any, ...]
NODES = 3
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
NOW = int(START.timestamp() * 1e6) + 600_000_000
EDGE = 1.234e-7
"""What keeps numbers off the place where they are rounded up or down."""
COLUMNS = list(TABLES["points"])

WHERES = [
    "",
    "WHERE value > 0",
    "WHERE device = 't-1' AND property IN ('a', 'b')",
    "WHERE time >= now() - INTERVAL 5 MINUTE",
    "WHERE value IS NOT NULL AND (seq % 2 = 0 OR text = 'x')",
    "WHERE value > 1000",
]
KEYS = [
    "device",
    "property",
    "node",
    "time_bucket(INTERVAL 1 MINUTE, time)",
    "date_trunc('hour', time)",
    "value > 0",
    "upper(device)",
]
AGGREGATES = [
    "count(*)",
    "count(value)",
    "count(DISTINCT device)",
    "count(DISTINCT value)",
    "sum(value)",
    "sum(seq)",
    "sum(DISTINCT seq)",
    "avg(value)",
    "avg(seq)",
    "avg(value * 2 + seq)",
    "avg(value) FILTER (WHERE seq > 2)",
    "min(value)",
    "max(time)",
    "min(text)",
    "max(value) - min(value)",
    "stddev(value)",
    "stddev_pop(value)",
    "variance(value)",
    "var_pop(seq)",
    "stddev(value) FILTER (WHERE device = 't-1')",
    "count(*) FILTER (WHERE value > 0)",
    "count(DISTINCT device) FILTER (WHERE value > 0)",
    "count_if(value > 1)",
    "bool_and(value > -50)",
    "bool_or(value > 50)",
    "median(value)",
    "quantile_cont(value, 0.9)",
    "quantile_cont(value, [0.25, 0.75])",
    "quantile_disc(seq, 0.3)",
    "median(seq) FILTER (WHERE value > 0)",
    "percentile_cont(0.2) WITHIN GROUP (ORDER BY value)",
    "round(avg(seq), 3) + count(*)",
    "CASE WHEN count(*) > 2 THEN sum(value) ELSE 0 END",
    "mad(value)",
    "sum(value) / nullif(count(*), 0)",
    "max(value) FILTER (WHERE property = 'a')",
]

numbers = st.one_of(st.none(), st.sampled_from([-100.0, -1.5, 0.0, 0.1, 1.0, 2.5, 20.0, 99.9]))
row = st.tuples(
    st.integers(0, 599),
    st.sampled_from(["t-1", "t-2", "t-3"]),
    st.sampled_from(["a", "b"]),
    numbers,
    st.sampled_from([None, "x", "y"]),
    st.integers(0, 5),
)
nodes = st.lists(st.lists(row, max_size=12), min_size=NODES, max_size=NODES)


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with duckdb.connect(":memory:", config={"threads": 1}) as made:
        made.execute("SET TimeZone = 'UTC'")
        made.execute("CREATE TABLE devices (namespace VARCHAR, device VARCHAR, state VARCHAR)")
        made.execute("INSERT INTO devices VALUES ('default', 't-1', 'online'), ('default', 't-2', 'offline')")
        yield made


@given(
    rows=nodes,
    where=st.sampled_from(WHERES),
    keys=st.lists(st.sampled_from(KEYS), max_size=3, unique=True),
    wanted=st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=5, unique=True),
    clause=st.sampled_from(["", "HAVING count(*) > 1", "ORDER BY count(*)", "ORDER BY 1"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_aggregates_of_the_parts_are_those_of_the_whole(
    connection: Any, rows: list[list[Row]], where: str, keys: list[str], wanted: list[str], clause: str
) -> None:
    grouped = f"GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
    columns = ", ".join([*keys, *(f"{one} AS m{n}" for n, one in enumerate(wanted))])
    check(connection, rows, f"SELECT {columns} FROM group('a') {where} {grouped} {clause}")


SHAPES = [
    "SELECT * FROM group('a')",
    "SELECT * EXCLUDE (seq) FROM group('a') WHERE value > 1",
    "SELECT device, value FROM group('a') WHERE value > 0",
    "SELECT p.device AS d, p.value * 2 AS v FROM group('a') p WHERE p.property = 'a' AND d = 't-1'",
    "SELECT DISTINCT device FROM group('a') ORDER BY device",
    "SELECT mad(value) FROM group('a') LIMIT 1",
    "SELECT list_sum(list(value)) FROM group('a') ORDER BY 1 LIMIT 1",
    "SELECT seq, device, value FROM group('a') WHERE value > 0 ORDER BY ALL LIMIT 2",
    "SELECT seq AS value FROM group('a') ORDER BY value LIMIT 2",
    "SELECT max(value) FROM group('a') GROUP BY device ORDER BY max(value) LIMIT 1",
    "SELECT unnest([value, seq]) AS u FROM group('a') ORDER BY u LIMIT 3",
    "SELECT rank() OVER (ORDER BY seq) AS r FROM group('a') ORDER BY r LIMIT 3",
    "(SELECT seq FROM group('a') ORDER BY 1 LIMIT 2) UNION ALL (SELECT -seq FROM group('a') ORDER BY 1 LIMIT 2)",
    "SELECT 1, count(*), device FROM group('a') GROUP BY ALL ORDER BY 1",
    "SELECT count(*), 'x' FROM group('a') GROUP BY ALL ORDER BY 1",
    "SELECT max(COLUMNS(*)) FROM group('a')",
    "SELECT COLUMNS('d.*') FROM group('a')",
    "SELECT p FROM group('a') p",
    "SELECT seq * 2 AS twice, sum(twice) FROM group('a') GROUP BY 1",
    "SELECT avg(v) FROM (SELECT seq v FROM group('a') ORDER BY time DESC, seq DESC LIMIT 3)",
    "SELECT first(value ORDER BY time, seq, value) FROM group('a') WHERE seq = 1",
    "SELECT device, max(value) AS m FROM group('a') GROUP BY device ORDER BY ALL",
    "SELECT avg(value) AS property, device FROM group('a') GROUP BY device ORDER BY property",
    "SELECT count(*) FROM group('a') WHERE list_contains(list_transform([seq], x -> x + 1), 3)",
    "SELECT device, sum(sum(seq)) OVER (ORDER BY device) FROM group('a') GROUP BY device",
    "SELECT count(*) FILTER (WHERE device IN (SELECT device FROM devices)) FROM group('a')",
    "SELECT DISTINCT device, property FROM group('a')",
    "SELECT DISTINCT ON (device) device FROM group('a')",
    "SELECT device AS d, avg(value) AS m FROM group('a') GROUP BY d HAVING m > 1",
    "SELECT device, avg(value) FROM group('a') GROUP BY ALL",
    "SELECT device, property, count(*) FROM group('a') GROUP BY ROLLUP (device, property)",
    "SELECT device, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, device) FROM group('a') GROUP BY device",
    "SELECT device, count(*) - lag(count(*)) OVER (ORDER BY device) FROM group('a') GROUP BY device",
    "SELECT device, seq, sum(seq) OVER (PARTITION BY device) FROM group('a') WHERE value > 0",
    "SELECT device, arg_max(seq, (time, seq)) FROM group('a') GROUP BY device",
    "SELECT device, max(value) FROM group('a') WHERE value > (SELECT avg(value) FROM group('a')) GROUP BY device",
    "SELECT device, avg(value) FROM group('a') GROUP BY 1 HAVING avg(value) >= (SELECT avg(value) FROM group('a'))",
    "SELECT device FROM group('a') p WHERE value = (SELECT max(value) FROM group('a') q WHERE q.device = p.device)",
    "WITH m AS (SELECT device, avg(value) AS v FROM group('a') GROUP BY 1) SELECT max(v), count(*) FROM m",
    "SELECT sum(n) FROM (SELECT device, count(*) AS n FROM group('a') GROUP BY device)",
    "SELECT device FROM group('a') WHERE value > 0 UNION SELECT property FROM group('a')",
    "SELECT device FROM group('a') EXCEPT SELECT device FROM devices",
    "SELECT p.device, d.state, count(*) FROM group('a') p JOIN devices d USING (namespace, device) GROUP BY 1, 2",
    "SELECT d.device, p.value FROM devices d LEFT JOIN group('a') p ON d.device = p.device AND p.value > 0",
    "SELECT d.device FROM devices d LEFT JOIN group('a') p ON d.device = p.device WHERE p.value IS NULL",
    "SELECT p.device, q.seq FROM group('a') p JOIN group('a') q ON p.device = q.device WHERE p.seq = 1 AND q.seq > 3",
    "SELECT p.device, q.value FROM group('a') p FULL JOIN group('a') q ON p.seq = q.seq + 3 WHERE p.value IS NULL",
    "SELECT list_sum(list(value)) FROM group('a') WHERE value IS NOT NULL",
    "SELECT count(*) FROM group('a') GROUP BY device, property",
    "SELECT device, median(value) FROM group('a') GROUP BY device ORDER BY median(value) DESC",
    "SELECT max(value) AS value FROM group('a') WHERE value < 50",
    "SELECT upper(device) AS device, count(*) FROM group('a') GROUP BY upper(device)",
    "SELECT time_bucket(INTERVAL 1 MINUTE, time) AS b, avg(value) FROM group('a') WHERE time BETWEEN "
    "TIMESTAMPTZ '2026-03-01 00:01:00+00' AND now() GROUP BY b",
    "SELECT device, count(*) FROM group('a') GROUP BY device HAVING device <> 't-2'",
    "SELECT count(*) FROM group('a') p, group('a') q WHERE p.seq = q.seq AND p.value > 1",
    "SELECT (SELECT count(*) FROM group('a')) AS n, device FROM devices",
    "SELECT device FROM devices WHERE device IN (SELECT device FROM group('a') WHERE value > 1)",
    "SELECT count(DISTINCT (device, property)) FROM group('a')",
    "SELECT corr(value, seq), covar_pop(value, seq) FROM group('a') WHERE 1 = 0",
    "SELECT device, value FROM group('a') QUALIFY row_number() OVER (PARTITION BY device, value) = 1",
    "SELECT n.device, n.c FROM (SELECT device, count(*) c FROM group('a') GROUP BY 1) n JOIN devices USING (device)",
]


@pytest.mark.parametrize("query", SHAPES)
@given(rows=nodes)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_query_of_this_shape_is_the_same(connection: Any, query: str, rows: list[list[Row]]) -> None:
    check(connection, rows, query)


@given(rows=nodes, limit=st.integers(0, 8), offset=st.integers(0, 4), descending=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_rows_of_all_are_among_the_first_of_each(
    connection: Any, rows: list[list[Row]], limit: int, offset: int, descending: bool
) -> None:
    order = f"ORDER BY v {'DESC' if descending else ''} NULLS LAST LIMIT {limit} OFFSET {offset}"
    parts = check(connection, rows, f"SELECT value * 2 AS v FROM group('a') WHERE property = 'a' {order}")
    assert [part.way for part in parts.parts] == ["first rows"]
    assert f"LIMIT {limit + offset}" in parts.parts[0].sql


@given(rows=st.lists(st.lists(st.floats(-1e6, 1e6), max_size=60), min_size=NODES, max_size=NODES))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sketched_quantile_is_within_one_percent(connection: Any, rows: list[list[float]]) -> None:
    points = [[(n, "t", "a", value, None, 0) for n, value in enumerate(one)] for one in rows]
    query = "SELECT approx_quantile(value, 0.9) FROM group('a')"
    found, made = merged(connection, points, query)
    assert made.parts[0].way == "sketch"
    everything = sorted(value for one in rows for value in one)
    if not everything:
        assert found == [(None,)]
        return
    exact = everything[max(1, math.ceil(0.9 * len(everything))) - 1]
    assert found[0][0] == pytest.approx(exact, rel=0.0101, abs=1e-290)


def test_any_rows_will_do_without_an_order(connection: Any) -> None:
    rows = [[(n, "t", "a", float(n), None, 0) for n in range(4)] for _ in range(NODES)]
    found, made = merged(connection, rows, "SELECT device, value FROM group('a') LIMIT 5")
    assert (len(found), made.parts[0].way) == (5, "first rows")


def test_variances_of_large_numbers_keep_their_digits(connection: Any) -> None:
    rows = [[(n, "t", "a", 1e9 + node + n / 100, None, 0) for n in range(100)] for node in range(NODES)]
    found, _ = merged(connection, rows, "SELECT variance(value), stddev_pop(value) FROM group('a')")
    exact = [1e9 + node + n / 100 for node in range(NODES) for n in range(100)]
    assert found[0] == pytest.approx((statistics.variance(exact), statistics.pstdev(exact)), rel=1e-6)


def test_what_cannot_be_split_is_pulled_in_the_columns_and_rows_it_needs() -> None:
    made = taken("SELECT device, mad(value) FROM group('a') WHERE property = 'a' GROUP BY device")
    assert made.parts[0].way == "rows"
    assert made.parts[0].sql == "SELECT device, property, value FROM points WHERE property = 'a'"
    made = taken("SELECT * FROM (SELECT device, mad(value) FROM group('a') GROUP BY device)")
    assert made.parts[0].sql == "SELECT device, value FROM points"


def test_a_condition_of_an_outer_join_stays_where_the_query_was_asked() -> None:
    made = taken(
        "SELECT 1 FROM devices d LEFT JOIN group('a') p ON d.device = p.device WHERE p.value > 1 AND p.seq = 1"
    )
    assert "WHERE" not in made.parts[0].sql


def test_parameters_and_the_time_are_the_same_for_all() -> None:
    made = taken("SELECT count(*) FROM group('a') WHERE time < now() AND device = ? AND value > ?", ["it's", 1.5])
    (part,) = made.parts
    assert "'it''s'" in part.sql
    assert "CAST(1.5 AS DOUBLE)" in part.sql
    assert "2026-03-01 00:10:00" in part.sql


def test_another_table_of_a_group_is_named_beside_it() -> None:
    made = taken("SELECT kind, count(*) FROM group('a', 'events') GROUP BY kind")
    assert (made.parts[0].table, made.parts[0].group) == ("events", "a")


def test_two_groups_may_meet() -> None:
    made = taken("SELECT avg(x.value) FROM group('a') x JOIN group('b') y ON x.time = y.time")
    assert [part.group for part in made.parts] == ["a", "b"]


def test_with_nodes_chosen_all_tables_are_theirs() -> None:
    guarded = guard("SELECT p.value FROM points p JOIN devices d USING (device)")
    made = split(guarded, None, (), NOW)
    assert [part.table for part in made.parts] == ["points", "devices"]
    assert made.asked.tables == frozenset()


EVERY_AGGREGATE = """
any_value approx_count_distinct approx_quantile arg_max arg_min array_agg avg bool_and bool_or corr count
count_if count_star covar_pop covar_samp first group_concat histogram kurtosis last list listagg mad max
max_by median min min_by mode product quantile quantile_cont quantile_disc regr_intercept regr_r2 regr_slope
skewness stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
"""


@pytest.mark.parametrize("name", EVERY_AGGREGATE.split())
def test_no_aggregate_is_taken_for_a_row(name: str) -> None:
    second = ", 0.5" if "quantile" in name else ", seq" if name.startswith(("corr", "covar", "regr", "arg_")) else ""
    arguments = {"count_star": "", "count_if": "value > 1"}.get(name, f"value{second}")
    (part,) = taken(f"SELECT {name}({arguments}) FROM group('a') LIMIT 1").parts
    assert "LIMIT" not in part.sql


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM group()", "takes the name of a group"),
        ("SELECT * FROM group(1)", "takes the name of a group"),
        ("SELECT * FROM group('a', 'secrets')", "there is no such table"),
        ("SELECT ? FROM group('a')", "has 1 parameters"),
        ("WITH points AS (SELECT * FROM group('a')) SELECT * FROM points", "WITH points: give it another name"),
        ("SELECT avg(value) AS _a0 FROM group('a')", "names such as _a0"),
    ],
)
def test_what_makes_no_sense_is_refused(query: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason.replace("(", r"\(")):
        taken(query)


def taken(query: str, parameters: Sequence[Any] = ()) -> Split:
    plain = named(query)
    return split(guard(plain.sql), plain.groups, parameters, NOW)


def merged(connection: Any, rows: list[list[Row]], query: str) -> tuple[list[Row], Split]:
    made = taken(query)
    tables = [tabulated(f"n-{number}", one) for number, one in enumerate(rows)]
    for part in made.parts:
        answers = []
        for table in tables:
            connection.register("points", table)
            answers.append(connection.sql(guard(part.sql).statement.sql).to_arrow_table())
        for number, answer in enumerate(answers):
            connection.register(f"{part.name}_{number}", answer)
        union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part.name}_{n}" for n in range(len(answers)))
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {part.name} AS {union}")
    return fetched(connection, made.asked.statement.sql), made


def fetched(connection: Any, sql: str) -> list[Row]:
    return list(zip(*(c.to_pylist() for c in connection.sql(sql).to_arrow_table().columns), strict=True))


def check(connection: Any, rows: list[list[Row]], query: str) -> Split:
    found, made = merged(connection, rows, query)
    connection.register("points", pa.concat_tables(tabulated(f"n-{n}", one) for n, one in enumerate(rows)))
    moment = datetime.datetime.fromtimestamp(NOW / 1e6, datetime.UTC).isoformat()
    plain = named(query).sql.replace("NOW()", f"TIMESTAMPTZ '{moment}'")
    whole = fetched(connection, plain)
    assert ordered(found) == ordered(whole), (plain, [part.sql for part in made.parts], made.asked.statement.sql)
    return made


def ordered(rows: list[Row]) -> list[Row]:
    return sorted((tuple(map(plain, row)) for row in rows), key=repr)


def plain(value: Any) -> Any:
    """Without the last digits, which depend on the order of a sum."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, bool) or not isinstance(value, float | int):
        return value
    return float(f"{round(value + EDGE, 9):.7g}") + 0.0


def tabulated(node: str, rows: list[Row]) -> pa.Table:
    kinds = [pa.timestamp("us", "UTC"), *[pa.string()] * 4, pa.float64(), pa.string(), pa.int64()]
    made = [
        (START + datetime.timedelta(seconds=at), node, "default", device, name, value, text, seq)
        for at, device, name, value, text, seq in rows
    ]
    columns = list(zip(*made, strict=True)) if made else [()] * len(COLUMNS)
    return pa.table([pa.array(list(c), k) for c, k in zip(columns, kinds, strict=True)], names=COLUMNS)
