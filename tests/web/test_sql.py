"""Questions in SQL over HTTP: the forms of an answer, and what bounds it."""

from __future__ import annotations

import pytest

from web.config import WebConfig
from web.sql import ARROW


async def test_sql_answers_rows_and_says_when_the_limit_cut_them(serve, tables):
    for index in range(5):
        tables.add("2026-01-01", "thermo-1", "temperature", 20.5 + index)
    query = {"query": "select device, value from points where value > ?", "parameters": [21], "limit": 2}
    async with serve() as (_, client), client.post("/api/v1/sql", json=query) as answer:
        body = await answer.json()
    assert body["columns"] == ["device", "value"]
    assert body["rows"] == [["thermo-1", 21.5], ["thermo-1", 22.5]]
    assert (body["truncated"], body["notice"]) == (True, "cut at the limit of 2 rows")
    assert body["plan"] == "points: 1 table"


@pytest.mark.parametrize(
    ("accept", "path", "kind"),
    [
        ("*/*", "/api/v1/sql", "application/json"),
        ("text/csv", "/api/v1/sql", "text/csv"),
        (f"text/html, {ARROW};q=0.9, text/csv;q=0.8", "/api/v1/sql", ARROW),
        ("text/csv", "/api/v1/sql?format=json", "application/json"),
        ("*/*", "/api/v1/sql?format=csv", "text/csv"),
        ("*/*", "/api/v1/sql?format=arrow", ARROW),
    ],
)
async def test_the_form_is_what_the_address_says_or_else_what_is_accepted(serve, accept, path, kind):
    body = {"query": "select 1"}
    async with serve() as (_, client), client.post(path, json=body, headers={"Accept": accept}) as answer:
        assert (answer.status, answer.content_type) == (200, kind)


async def test_a_form_that_is_none_is_refused_with_those_there_are(serve):
    async with serve() as (_, client), client.post("/api/v1/sql?format=xml", json={"query": "select 1"}) as answer:
        assert (answer.status, (await answer.json())["detail"]) == (400, 'format = "xml" is none of json, csv, arrow')


async def test_csv_says_in_its_head_that_it_was_cut(serve, tables):
    tables.add("2026-01-01", 'a "b", c', "temperature", 1.5)
    query = {"query": "select device, value from points"}
    async with serve() as (_, client):
        async with client.post("/api/v1/sql", json=query, headers={"Accept": "text/csv"}) as answer:
            assert await answer.text() == 'device,value\r\n"a ""b"", c",1.5\r\n'
            assert (answer.headers["X-Truncated"], answer.headers["X-Rows"]) == ("false", "1")
            assert "X-Notice" not in answer.headers
        tables.add("2026-01-02", "b", "temperature", 2.5)
        async with client.post("/api/v1/sql?format=csv", json=query | {"limit": 1}) as answer:
            assert answer.headers["X-Truncated"] == "true"
            assert answer.headers["X-Notice"] == "cut at the limit of 1 rows"


async def test_a_query_waits_as_long_as_it_says_within_what_is_allowed(serve, tables):
    config = WebConfig(listen="127.0.0.1:0", deadline=7.0, sql_deadline=30.0)
    async with serve(config) as (_, client):
        for more in ({}, {"deadline": 20}, {"deadline": 500}):
            async with client.post("/api/v1/sql", json={"query": "select 1", **more}) as answer:
                assert answer.status == 200
    assert tables.deadlines == [7.0, 20.0, 30.0]


async def test_a_wrong_query_is_a_problem_with_the_reason(serve):
    async with serve() as (_, client), client.post("/api/v1/sql", json={"query": "selec"}) as answer:
        assert answer.status == 400
        assert "syntax error" in (await answer.json())["detail"]


async def test_the_newest_value_of_each_series_is_asked_by_device_and_property(serve, tables):
    for time, device, name in (("1", "t-1", "heat"), ("2", "t-1", "heat"), ("3", "t-1", "mode"), ("4", "t-2", "heat")):
        tables.add(time, device, name, float(time))
    async with serve() as (_, client):
        for query, wanted in (
            ("", [2, 3, 4]),
            ("?device=t-1", [2, 3]),
            ("?device=default/t-1&device=t-2&property=heat", [2, 4]),
            ("?device=nobody", []),
        ):
            async with client.get(f"/api/v1/latest{query}") as answer:
                assert [row["at"] for row in await answer.json()] == wanted
