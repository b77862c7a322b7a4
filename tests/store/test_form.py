"""The forms in which an answer leaves the process for queries."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from store.sql import form
from twins.errors import Rejected
from twins.exchange import Batch, Point

ALL_KINDS = """
SELECT TIMESTAMPTZ '2026-11-21 10:00:00Z' AS t, 'a "b", ü' AS s, sum(range) AS h, 1.5::DECIMAL(10, 2) AS d,
       [1, 2] AS l, INTERVAL 1 DAY AS i, DATE '2026-01-02' AS dd,
       {'a': 1} AS st, true AS b, NULL AS n, 'NaN'::DOUBLE AS nan, 0.1 AS f
FROM range(3)
"""


async def test_all_kinds_of_values_have_a_place_in_each_form(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:

        async def ask(kind: str) -> Any:
            return await store.sql.encoded(ALL_KINDS, form=kind, deadline=20, limit=10)

        arrow = await ask("arrow")
        table = pa.ipc.open_stream(arrow.body).read_all()
        assert arrow.rows == 1
        assert arrow.columns == tuple(table.column_names)
        assert table.schema.field("t").type == pa.timestamp("us", tz="UTC")
        assert table.schema.field("h").type == pa.int64(), "a sum of whole numbers is 128 bits wide in DuckDB"
        row = table.to_pylist()[0]
        assert (row["h"], row["l"], row["st"], row["n"], row["s"]) == (3, [1, 2], {"a": 1}, None, 'a "b", ü')

        head, line = (await ask("csv")).body.decode().splitlines()
        assert head == '"t","s","h","d","l","i","dd","st","b","n","nan","f"'
        assert line == (
            '2026-11-21 10:00:00.000000Z,"a ""b"", ü",3,1.50,"[1,2]",'
            '"MonthDayNano(months=0, days=1, nanoseconds=0)",2026-01-02,"{""a"":1}",true,,nan,0.1'
        )

        (values,) = json.loads((await ask("json")).body)
        assert values[:5] == ["2026-11-21T10:00:00Z", 'a "b", ü', 3, 1.5, [1, 2]]
        assert values[-3:] == [None, None, 0.1], "JSON has no NaN"


async def test_an_answer_is_cut_by_rows_or_bytes_and_says_so(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        few = await store.sql.encoded("SELECT * FROM range(9)", form="csv", deadline=20, limit=2)
        assert (few.body, few.rows) == (b'"range"\n0\n1\n', 2)
        assert few.notice == "cut at the limit of 2 rows, there are more"
        whole = await store.sql.encoded("SELECT * FROM range(9)", form="csv", deadline=20, limit=9)
        assert (whole.notice, whole.rows) == ("", 9)
        wide = "SELECT repeat('x', 10000) AS x FROM range(10000)"
        cut = await store.sql.encoded(wide, form="arrow", deadline=20, limit=10_000)
        assert cut.notice.startswith(f"cut after {cut.rows} rows, as an answer has room for 64 MiB")
        assert len(pa.ipc.open_stream(cut.body).read_all()) == cut.rows < 10_000
        assert len(cut.body) < 66 << 20


async def test_an_answer_without_rows_has_its_columns_in_each_form(tmp_path: Path, store_at: Any) -> None:
    query = "SELECT time, value FROM points"
    async with store_at(tmp_path) as store:
        arrow = await store.sql.encoded(query, form="arrow", deadline=20, limit=10)
        assert pa.ipc.open_stream(arrow.body).read_all().column_names == ["time", "value"]
        assert (await store.sql.encoded(query, form="csv", deadline=20, limit=10)).body == b'"time","value"\n'
        assert (await store.sql.encoded(query, form="json", deadline=20, limit=10)).body == b"[]"


async def test_parameters_are_values_and_never_words_of_the_query(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        await store.journal.committed(store.journal.append(Batch(points=[Point("default/t/x", 1, 0, 1.0, None)])))
        for hostile in (
            "t' OR '1'='1",
            "t'; DROP VIEW points; --",
            "' UNION SELECT getenv('HOME') --",
            "\x00",
            "?",
        ):
            answer = await store.sql.encoded(
                "SELECT count(*) FROM points WHERE device = ?", [hostile], form="json", deadline=20, limit=1
            )
            assert answer.body == b"[[0]]"


async def test_times_are_utc_wherever_the_gateway_stands(
    tmp_path: Path, store_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    query = "SELECT date_trunc('day', TIMESTAMPTZ '2026-11-21 23:30:00Z'), '2026-11-21'::TIMESTAMPTZ"
    async with store_at(tmp_path) as store:
        answer = await store.sql.sql(query, deadline=20, limit=1)
    assert answer.rows == [(midnight, midnight)]


@pytest.mark.parametrize(
    ("query", "parameters", "wanted"),
    [
        ("SELECT ?,?", [1, 2], [1, 2]),
        ("SELECT ?||?||'?', ?::INT -- ?", ["a", "b", "7"], ["ab?", 7]),
        ("FROM range(?) SELECT count(*), ?", [3, "x"], None),
        ("SELECT [?,?,?], (?) /* ? */", [1, 2, 3, None], [[1, 2, 3], None]),
        ("SELECT $2, $1", ["a", "b"], ["b", "a"]),
        ("SELECT device FROM points WHERE time > ? AND device IN (?, ?)", ["2026-11-21", "a", "b"], []),
    ],
)
async def test_parameters_go_where_they_stand(
    tmp_path: Path, store_at: Any, query: str, parameters: list[Any], wanted: list[Any] | None
) -> None:
    async with store_at(tmp_path) as store:
        if wanted is None:  # a range takes no parameter
            with pytest.raises(Rejected, match="plain number"):
                await store.sql.sql(query, parameters, deadline=20, limit=1)
            return
        answer = await store.sql.sql(query, parameters, deadline=20, limit=1)
        assert [list(row) for row in answer.rows] == ([wanted] if wanted else [])
        for wrong in (parameters[:-1], [*parameters, 1]):
            with pytest.raises(Rejected, match=f"{len(parameters)} parameters .* {len(wrong)} were given"):
                await store.sql.sql(query, wrong, deadline=20, limit=1)


@pytest.mark.parametrize("number", [2**62, -(2**63), 2**100])
def test_a_huge_whole_number_is_64_bits_wide_where_it_fits_and_else_a_double(number: int) -> None:
    batch = pa.record_batch({"n": pa.array([number, None], pa.decimal128(38, 0))})
    table = pa.ipc.open_stream(form.encoded("arrow", batch.schema, [batch])).read_all()
    assert table.column("n").to_pylist() == [number if number < 2**63 else float(number), None]
    assert msgspec.json.decode(form.encoded("json", batch.schema, [batch]))[0] == [pytest.approx(number)]
