"""What is learned from a real store: the same as from its points by hand."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from learning.forecasting import process
from learning.forecasting.task import Little, Task
from learning.history import MOST, Few, History
from learning.norm import Robust, Seasonal
from runtime.clock import SystemClock
from store.store import Store, StoreConfig
from tests.learning.lessons import baseline, forecast
from twins.errors import Unavailable
from twins.exchange import Batch, Point

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'gemelo[sql]'")

MONDAY = 1_795_392_000_000_000
"""2026-11-23 00:00 UTC."""
MINUTE, HOUR = 60_000_000, 3_600_000_000


@asynccontextmanager
async def history(
    path: Path, every: int = MINUTE, zone: str = "UTC", **series: Sequence[float]
) -> AsyncIterator[tuple[History, int]]:
    """A store with these properties of `default/d` since Monday, half of them sealed; and when they end."""
    live: dict[str, Any] = {"twins": list, "devices": list, "nodes": list}
    store = Store(StoreConfig(path=str(path), keep_days=1e6), "edge-1", SystemClock(), live)
    await store.open()
    named = [(f"default/d/{name}", n, number) for name, numbers in series.items() for n, number in enumerate(numbers)]
    points = [Point(one, MONDAY + n * every, n, number, None) for one, n, number in named]
    points.insert(1, Point("default/d/t", MONDAY, 999, None, "no number"))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(store.run())
        await store.journal.committed(store.journal.append(Batch(points=points[::2])))
        await store.segments.seal()
        await store.journal.committed(store.journal.append(Batch(points=points[1::2])))
        try:
            yield History(store.sql, zone), MONDAY + max(map(len, series.values())) * every
        finally:
            running.cancel()
    await store.close()


async def test_limits_are_those_of_the_points(tmp_path: Path) -> None:
    chance = random.Random(1)
    numbers = [chance.gauss(20.0, 2.0) for _ in range(300)] + [1e6]
    constant, mostly = [5.0] * 50, [5.0] * 40 + [6.0] * 10
    async with history(tmp_path, t=numbers, constant=constant, mostly=mostly, one=[1.0], nine=[1.0] * 9) as (past, now):

        async def learned(name: str, **spec: Any) -> Any:
            return (await past.norm(baseline(**spec), "default/d", name, 100, now)).learned

        assert await past.series(baseline(), now) == [("default/d", "t", 301)]
        version = await past.norm(baseline(), "default/d", "t", 100, now)
        middle = statistics.median(numbers)
        scale = statistics.median(abs(x - middle) for x in numbers) / 0.6745
        assert version.learned == Robust(pytest.approx(middle), pytest.approx(scale), 3.5)  # type: ignore[arg-type]
        assert (version.points, version.since, version.until) == (301, MONDAY, MONDAY + 300 * MINUTE)
        part = await past.norm(baseline(), "default/d", "t", 2 * MOST, now)
        assert 100 < part.points < 200
        assert part.learned == (await past.norm(baseline(), "default/d", "t", 2 * MOST, now)).learned
        ewma = await learned("t", method="ewma", weight=0.2)
        assert (ewma.mean, ewma.variance) == (pytest.approx(middle), pytest.approx(scale**2))
        assert await learned("constant") == Robust(5.0, 0.0, 3.5)
        assert await learned("constant", resolution=0.1) == Robust(5.0, 0.1, 3.5)
        assert (await learned("mostly")).scale == pytest.approx(0.2 * 1.253314)
        hourly = await learned("constant", method="seasonal-quantiles")
        assert [hour for hour, slot in enumerate(hourly.slots) if slot is not None] == [0]
        for name, count in (("none", 0), ("one", 1), ("nine", 9)):
            for method in ("robust-z", "seasonal-quantiles"):
                with pytest.raises(Few, match=f"{count} points, 10 are needed"):
                    await learned(name, method=method)


async def test_hours_are_learned_one_by_one_in_local_time(tmp_path: Path) -> None:
    numbers = [float(n // 60 % 24) for n in range(4 * 1440)]
    async with history(tmp_path, zone="Asia/Tokyo", t=numbers) as (past, now):
        daily = (await past.norm(baseline(method="seasonal-quantiles"), "default/d", "t", 100, now)).learned
        assert isinstance(daily, Seasonal)
        assert [slot and (slot.low, slot.middle, slot.high, slot.points) for slot in daily.slots] == [
            (*(float((hour - 9) % 24),) * 3, 240) for hour in range(24)
        ]
        weekly = (
            await past.norm(baseline(method="seasonal-quantiles", season="1w"), "default/d", "t", 100, now)
        ).learned
        assert isinstance(weekly, Seasonal)
        known = [hour for hour, slot in enumerate(weekly.slots) if slot is not None]
        assert known == list(range(9, 9 + 96))


async def test_the_grid_has_gaps_where_there_were_no_points_and_leaves_out_what_is_not_over(tmp_path: Path) -> None:
    numbers = [float(n) for n in range(24)]
    wanted = forecast(device="d", property="t")
    async with history(tmp_path, every=HOUR, t=numbers) as (past, now):
        first, values = await past.grid(wanted, now + 13 * HOUR)
        assert first * wanted.step == MONDAY
        assert values == [2.5, 8.5, 14.5, 20.5, None, None]
        summed = forecast(device="d", property="t", aggregate="sum")
        assert (await past.grid(summed, now))[1] == [15.0, 51.0, 87.0, 123.0]
        with pytest.raises(Few, match="has no numbers within 30d"):
            await past.grid(forecast(device="d", property="other"), now)


TASK = Task(0, HOUR, (), 4, 4, 4, ())


async def test_a_process_answers() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'gemelo[learning]'")
    answer = await process.answer(TASK)
    assert isinstance(answer, Little)
    assert "0 steps of history" in answer.reason


async def test_a_process_that_is_late_is_ended() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'gemelo[learning]'")
    with pytest.raises(Unavailable, match=r"longer than 0\.001 s"):
        await process.answer(TASK, 0.001)


async def test_who_is_cancelled_leaves_no_process() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'gemelo[learning]'")
    before = set(psutil.Process().children())
    steps = tuple(float(n % 24 + n % 7) for n in range(10_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await process.answer(Task(0, HOUR, steps, 24, 168, 24, ("holt-winters", "ar")))
    left = [child for child in psutil.Process().children() if child not in before]
    assert [child.cmdline() for child in left if child.status() != psutil.STATUS_ZOMBIE] == []


async def test_a_process_that_dies_says_what_it_last_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'gemelo[learning]'")
    monkeypatch.setattr(process, "encode", lambda task: b"\xff")
    with pytest.raises(Unavailable, match=r"ended with code 1: msgspec"):
        await process.answer(TASK)
