"""Unsealed points as queries see them: each once, whatever a segment has, and compared with it no more than once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import store.sql.memory
from store.sql.guard import guard
from store.sql.process import _shared
from tests.store import history
from tests.store.history import MINUTE, START
from twins.exchange import Batch, Point


def test_what_a_segment_has_too_is_seen_once_by_every_question(tmp_path: Path) -> None:
    chance = random.Random(5)
    past = history.History(tmp_path)
    old = history.some_points(chance, 120, START, START + 30 * MINUTE)
    past.seal(old[:80])
    past.seal(old[80:])
    again = chance.sample(old, 40)
    new = history.some_points(chance, 50, START + 10 * MINUTE, START + 60 * MINUTE, 5000)
    past.points = []
    past.remember([*again, *new])
    whole = {(point.series, point.at, point.seq) for point in (*old, *new)}
    for device, since, until in (("t-1", 0, 99), ("t-2", 5, 20), ("p-1", 20, 40), ("t-1", 40, 70)):
        span = "time >= make_timestamptz(?) AND time < make_timestamptz(?)"
        text = f"SELECT count(*) FROM points WHERE device = ? AND {span}"
        among = [one for one in whole if f"/{device}/" in one[0] and since <= (one[1] - START) / MINUTE < until]
        asked = (device, START + since * MINUTE, START + until * MINUTE)
        assert past.ask(guard(text), *asked)[0] == [(len(among),)]
        assert past.ask(guard("SELECT count(*) FROM points"))[0] == [(len(whole),)]
        assert past.ask(guard(text), *asked)[0] == [(len(among),)]


async def test_points_are_sent_once_and_compared_with_a_segment_once(
    tmp_path: Path, store_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store_at(tmp_path) as store:

        async def tell(first: int, count: int) -> None:
            points = [Point("default/t/x", at, 0, 1.0, None) for at in range(first, first + count)]
            await store.journal.committed(store.journal.append(Batch(points=points)))

        async def counted() -> int:
            return (await store.sql.sql("SELECT count(*) FROM points", deadline=20, limit=1)).rows[0][0]

        assert await counted() == 0
        (process,) = store.sql._idle
        sent: list[int] = []
        changed = process._changed

        def watched(asked: Any) -> Any:
            known = changed(asked)
            sent.append(-1 if known is None else sum(map(len, known.chunks)))
            return known

        monkeypatch.setattr(process, "_changed", watched)
        await tell(0, 8000)
        await tell(8000, 8000)
        assert await counted() == 16_000
        assert await counted() == 16_000
        await tell(16_000, 10)
        assert await counted() == 16_010
        await store.segments.seal()
        assert await counted() == 16_010
        await tell(16_005, 10)
        assert await counted() == 16_015
    whole, nothing, last, sealed, new = sent
    assert nothing == -1
    assert whole > 400_000
    assert last < whole * 0.6, "of two chunks the full one is there already"
    assert sealed == 0
    assert new < 1000


def test_a_point_is_compared_with_a_segment_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = history.History(tmp_path)
    past.seal(history.some_points(random.Random(1), 50, START, START + 9 * MINUTE))
    past.remember(history.some_points(random.Random(2), 50, START, START + 9 * MINUTE, 900))
    compared = []
    plain = store.sql.memory.without
    monkeypatch.setattr(
        store.sql.memory, "without", lambda table, paths: (compared.append(paths), plain(table, paths))[1]
    )
    for version in (1, 2, 3):
        past._version = version
        past.ask(guard("SELECT count(*) FROM points"))
    assert len(compared) == 1


def test_what_both_know_is_found_at_its_beginning_and_end() -> None:
    a, b, c, d = (object() for _ in range(4))
    for known, wanted, found in (
        ([], [], (0, 0)),
        ([], [a], (0, 0)),
        ([a, b], [a, b, c], (0, 2)),
        ([a, b], [b, c], (1, 2)),
        ([a, b], [c, d], (2, 2)),
        ([a, b, c], [a, d], (0, 1)),
    ):
        assert _shared(known, wanted) == found  # type: ignore[arg-type]
