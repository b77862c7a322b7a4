"""Uploads into a folder: what goes, what never does, and that each row goes once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.store.lab import DAY, NOON, hive, lab, points, rows, upload
from twins.errors import Rejected


def to(folder: Path) -> dict[str, str]:
    return {"url": f"file://{folder}"}


async def test_what_is_asked_for_lies_as_duckdb_reads_it(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    given = [*points(*range(100)), *points(5, 6, device="t-2"), *points(DAY, DAY + 1)]
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        await box.put(*given)
        await box.ask()
        await box.sent()
        view = box.view()
    assert hive(away) == rows(given)
    assert (view.rows, view.state) == (len(given), "idle")
    days = {path.relative_to(away).parts[:3] for path in away.glob("**/*.parquet")}
    assert days == {("points", "node=edge-1", "day=2024-10-04"), ("points", "node=edge-1", "day=2024-10-05")}
    kinds = hive(away, columns="DISTINCT node, typeof(day), typeof(time)")
    assert kinds == [("edge-1", "DATE", "TIMESTAMP WITH TIME ZONE")]


async def test_spans_that_overlap_send_each_row_once(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        await box.put(*points(*range(100)))
        for span in ((NOON + 10, NOON + 29), (NOON + 20, NOON + 49), (NOON + 10, NOON + 29)):
            await box.ask(span=span)
            await box.sent()
        assert hive(away) == rows(points(*range(10, 50)))
        await box.put(*points(1000, 15, 16, device="late"))
        await box.ask()
        await box.sent()
    assert hive(away) == rows([*points(*range(100)), *points(1000, 15, 16, device="late")])


async def test_a_restart_knows_what_went(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    for round_ in range(3):
        async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
            await box.put(*points(*range(round_ * 10, round_ * 10 + 10)))
            await box.ask()
            await box.sent()
            assert box.view().rows == round_ * 10 + 10
    assert hive(away) == rows(points(*range(30)))
    assert len(list(away.glob("**/*.parquet"))) == 3


async def test_what_must_never_go_stays_whoever_asks(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    block = upload("private", select={"series": ["default/bed/*"], "namespaces": ["secret"]}, policy={"never": {}})
    async with lab(store_at, tmp_path / "box", upload(destination=to(away)), block) as box:
        await box.put(*points(1, 2), *points(1, 2, device="bed"))
        await box.ask()
        await box.sent()
        assert hive(away) == rows(points(1, 2))
        told = [message for kind, _, message in box.told if kind == "security"]
        assert any("default/bed/temperature" in message and "default/private" in message for message in told)
        assert box.view().blocked == 2
        with pytest.raises(Rejected, match="never"):
            await box.uploads.start("default/private", (0, 1 << 60), "api")
        only = upload("bed", select={"series": ["default/bed/temperature"]}, destination=to(away))
        box.apply(only)
        before = len(box.told)
        with pytest.raises(Rejected, match="default/private"):
            await box.uploads.start("default/bed", (0, 1 << 60), "api")
        assert box.told[before:] == [
            ("security", "default/bed", "api asked for default/bed/temperature: default/private keeps it here")
        ]
    assert hive(away) == rows(points(1, 2))


async def test_segments_that_were_merged_are_not_sent_again(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        if not hasattr(box.store.segments, "merge"):
            pytest.skip("this store merges nothing")
        for part in range(4):
            await box.put(*points(*range(part, 400, 4)), *points(part, device=f"d-{part}"))
            if part < 2:
                await box.ask()
                await box.sent()
            else:
                await box.store.segments.seal()
        await box.put(*points(DAY))
        await box.store.segments.seal()
        before = box.store.segments.known
        await box.store.segments.merge()
        assert len(box.store.segments.known) < len(before)
        await box.ask()
        await box.sent()
    wanted = [*points(*range(400), DAY), *(each for part in range(4) for each in points(part, device=f"d-{part}"))]
    assert hive(away) == rows(wanted)
    assert not list((tmp_path / "box" / "uploads" / "rests").iterdir())
