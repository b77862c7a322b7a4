"""Twins as they were at a time: what a naive reader of the whole log would say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from store.sql.guard import guard
from tests.store import history
from tests.store.history import START
from twins.errors import Rejected
from twins.exchange import DESIRED, Batch, Point

ALL = "SELECT namespace, device, property, reported, desired, epoch_us(reported_at), epoch_us(desired_at) FROM "


def said(point: Point, booleans: set[str]) -> str:
    if point.text is not None:
        return point.text
    assert point.number is not None
    return str(point.number != 0).lower() if point.series in booleans else f"{point.number:.15g}"


def replayed(points: list[Point], at: int, booleans: set[str]) -> list[Any]:
    """The log read from its beginning to a time."""
    reported: dict[str, Point] = {}
    desired: dict[str, Point] = {}
    for point in sorted(points, key=lambda point: (point.at, point.seq)):
        if point.at <= at:
            (desired if point.series.startswith(DESIRED) else reported)[point.series.removeprefix(DESIRED)] = point
    rows = []
    for series in sorted(reported.keys() | desired.keys()):
        r, d = reported.get(series), desired.get(series)
        d = d if d is not None and d.text else None
        if r is None and d is None:
            continue
        words = (r and said(r, booleans), d and d.text, r and r.at, d and d.at)
        rows.append((*series.split("/", 2), *words))
    return sorted(rows)


def a_log(chance: random.Random, count: int, seq: int) -> list[Point]:
    found = {}
    for number in range(count):
        at = START + chance.randint(0, 400) * 1_000_000
        if chance.random() < 0.3:
            series = DESIRED + chance.choice(history.SERIES)
            point = Point(series, at, (seq + number) << 32, None, chance.choice(("on", "off", "21.5", "")))
        else:
            series = chance.choice(history.SERIES)
            text = chance.choice((None, None, "auto", "0"))
            value = None if text == "auto" else chance.choice((0.0, 1.0, 21.5, 1 / 3, 1e20, -4.0))
            point = Point(series, at, seq + number, value, text)
        found[point.series, point.at, point.seq] = point
    return list(found.values())


@pytest.mark.parametrize("seed", range(4))
def test_at_any_time_it_is_what_a_replay_of_the_log_says(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    past = history.History(tmp_path)
    for part in range(3):
        for kind in ("points", "desired"):
            log = a_log(chance, 80, part * 1000)
            past.seal([point for point in log if point.series.startswith(DESIRED) == (kind == "desired")], kind=kind)
    past.remember(a_log(chance, 60, 9000))
    boolean = "default/t-1/mode"
    live = {"booleans": [("default/t-1", "mode")]}
    for _ in range(12):
        at = START + chance.randint(-10_000_000, 420_000_000)
        rows, _ = past.ask(guard(f"{ALL} twins_at(make_timestamptz(?))"), at, live=live)
        assert sorted(rows) == replayed(past.points, at, {boolean})


def test_two_times_can_be_compared(tmp_path: Path) -> None:
    past = history.History(tmp_path)
    past.seal([Point("default/t/x", START + at, at, float(at), None) for at in (1, 5, 9)])
    query = """
        SELECT a.reported, b.reported FROM twins_at('2026-11-21 10:00:00.000001Z') a
        JOIN twins_at(TIMESTAMPTZ '2026-11-21 10:00:00.000006Z' + INTERVAL 3 MICROSECOND) b USING (device, property)
    """
    assert past.ask(guard(query))[0] == [("1", "9")]
    assert past.ask(guard("SELECT twins_at.reported FROM twins_at('2026-11-21 10:00:00.000008Z')"))[0] == [("5",)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM twins_at()",
        "SELECT * FROM twins_at('2026-11-21', 'x')",
        "SELECT * FROM points, twins_at(time)",
        "SELECT * FROM twins_at((SELECT max(time) FROM points))",
        "SELECT twins_at('2026-11-21')",
        "SELECT * FROM twins_at(getenv('HOME'))",
        "SELECT * FROM main.twins_at('2026-11-21')",
        "SELECT * FROM twins_at_1",
    ],
)
def test_it_takes_one_time_and_nothing_else(query: str) -> None:
    with pytest.raises(Rejected):
        guard(query)


async def test_through_the_door_a_time_that_is_none_is_refused_and_the_history_of_wishes_is_no_part_of_points(
    tmp_path: Path, store_at: Any
) -> None:
    points = [Point("default/t/x", START, 1, 1.0, None), Point("desired:default/t/x", START, 1, 3.0, "3")]
    async with store_at(tmp_path) as store:
        await store.journal.committed(store.journal.append(Batch(points=points)))

        async def ask(query: str) -> Any:
            return (await store.sql.sql(query, deadline=20, limit=10)).rows

        assert await ask("SELECT namespace, device, value FROM points") == [("default", "t", 1.0)]
        assert await ask("SELECT reported, desired FROM twins_at('2026-11-21 10:00Z')") == [("1", "3")]
        assert await ask("SELECT reported, desired FROM twins_at('2026-11-21 09:59:59Z')") == []
        for time in ("'yesterday'", "NULL"):
            with pytest.raises(Rejected):
                await ask(f"SELECT * FROM twins_at({time})")
        assert await ask("SELECT 1") == [(1,)]
