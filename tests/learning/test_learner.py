"""When is learned, what is taught, and what becomes of faults. Time is virtual; the past is played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from learning.forecasting.task import Answer, Little, Task
from learning.history import Past
from learning.knowledge import Knowledge
from learning.learner import Learner
from learning.lesson import BASELINE, FORECAST
from learning.manifest import Manifest
from learning.norm import Robust
from learning.prediction import Prediction, Step, Trial
from tests.clock import START, VirtualClock, in_virtual_time
from tests.learning.lessons import baseline, forecast
from twins.errors import Rejected, Unavailable
from twins.exchange import Point, Rows, Scalar, Severity

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'gemelo[sql]'")

SECOND, DAY = 1_000_000, 86_400_000_000


class Store:
    """The far side of a learner: series with medians that the test sets, or a fault; what is taught and told."""

    def __init__(self) -> None:
        self.medians: dict[str, tuple[int, float]] = {}
        self.fault: Exception | None = None
        self.faulty: set[str] = set()
        self.asked = 0
        self.taught: list[Point] = []
        self.told: list[tuple[Severity, str]] = []
        self.knowledge = Knowledge()
        self.answer: Answer | Exception = Little("1 step of history, 24 are needed")

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows:
        self.asked += 1
        await asyncio.sleep(1)
        if self.fault is not None:
            raise self.fault
        if "points_1h" in text:
            return Rows((), [(*series.split("/", 2), n) for series, (n, _) in self.medians.items()])
        if "place" in text:
            return Rows((), [(place, 1.0, 1) for place in range(1, 100)])
        series = "/".join(map(str, parameters[:3]))
        if series in self.faulty:
            raise Rejected("the query took longer than 60 s")
        points, median = self.medians[series]
        return Rows((), [(points, 1, 2, median, 1.0, 1.0)])

    async def teach(self, lessons: Mapping[str, bytes | None], points: Sequence[Point]) -> None:
        self.knowledge.learn(lessons)
        self.taught += points

    async def tell(self, subject: str, severity: Severity, message: str) -> None:
        self.told.append((severity, message))

    async def ask(self, task: Task) -> Answer:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Scene:
    def __init__(self, store: Store | None = None, clock: Any = None) -> None:
        self.store = store or Store()
        self.clock = clock or VirtualClock()
        past: Past = self.store
        parts = self.store.knowledge, past, self.store.teach, self.store.tell
        self.learner = Learner(*parts, self.clock, "UTC", self.store.ask)

    def apply(self, manifest: Manifest) -> None:
        self.store.knowledge.apply(manifest.kind, manifest.id, holds=True)
        self.learner.apply(manifest.kind, manifest.id, manifest)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scene]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.learner.run())
            yield self
            task.cancel()

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(view.id, view.state) for view in self.learner.views()]

    def median(self, series: str = "default/d/t") -> float | None:
        lesson = self.store.knowledge.lessons.get(BASELINE + series)
        return lesson.current.learned.middle if lesson and isinstance(lesson.current.learned, Robust) else None


@in_virtual_time
async def test_it_learns_at_once_and_then_by_its_schedule() -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0), "default/d/u": (100, 1.0)}
    async with scene.running():
        scene.apply(baseline(refit="0 3 * * *"))
        await asyncio.sleep(10)
        assert (scene.median(), scene.median("default/d/u")) == (20.0, None)
        (view,) = scene.learner.views()
        assert (view.state, view.series, view.took) == ("learned", 1, 2.0)
        assert view.next % DAY == 3 * 3600 * SECOND
        scene.store.medians["default/d/t"] = (100, 30.0)
        await asyncio.sleep((view.next - scene.clock.now()) / 1e6 - 1)
        assert scene.median() == 20.0
        await asyncio.sleep(40)
        assert scene.median() == 30.0
        assert scene.store.told == [("info", "Baseline: learned what is normal for 1 series.")] * 2


@in_virtual_time
async def test_a_restart_learns_only_what_was_missed() -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(10)
    asked = scene.store.asked
    again = Scene(scene.store)
    again.apply(baseline())
    async with again.running():
        await asyncio.sleep(3600)
        assert scene.store.asked == asked
        await asyncio.sleep(86400)
        assert scene.store.asked > asked


@in_virtual_time
async def test_too_few_points_are_told_once_and_looked_at_again() -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (2, 20.0)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(1300)
        assert scene.states == [("default/usual", "too little")]
        assert len(scene.store.told) == 1
        assert "default/d/t: 2 points, 10 are needed" in scene.store.told[0][1]
        scene.store.medians["default/d/t"] = (10, 20.0)
        await asyncio.sleep(700)
        assert scene.states == [("default/usual", "learned")]


@in_virtual_time
async def test_a_series_at_fault_stops_no_other_and_a_manifest_at_fault_no_other() -> None:
    scene = Scene()
    scene.store.medians = {"default/a/t": (100, 1.0), "default/b/t": (100, 2.0)}
    scene.store.faulty = {"default/a/t"}
    scene.store.answer = Unavailable("the process for forecasts ended with code -9: it said nothing")
    async with scene.running():
        scene.apply(baseline())
        scene.apply(forecast())
        await asyncio.sleep(20)
        assert scene.median("default/b/t") == 2.0
        assert scene.states == [("default/usual", "failing"), ("default/rate", "failing")]
        assert [severity for severity, _ in scene.store.told] == ["warning", "warning"]
        scene.store.faulty.clear()
        await asyncio.sleep(100)
        assert dict(scene.states)["default/usual"] == "learned"
        (_, failing) = scene.learner.views()
        assert "code -9" in failing.reason
        assert len(scene.store.told) == 3


@in_virtual_time
async def test_failures_are_tried_again_later_and_later() -> None:
    scene = Scene()
    scene.store.fault = Unavailable("segments keep disappearing")
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(6 * 3600)
        asked = scene.store.asked
        assert 8 <= asked <= 14
        await asyncio.sleep(3600)
        assert scene.store.asked <= asked + 2


@in_virtual_time
async def test_a_fault_of_ours_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0)}
    scene.store.answer = ZeroDivisionError("division by zero")
    async with scene.running():
        scene.apply(forecast())
        await asyncio.sleep(10)
        scene.apply(baseline())
        await asyncio.sleep(10)
        assert dict(scene.states) == {"default/usual": "learned", "default/rate": "failing"}
    assert "can't be learned" in caplog.text


class Wall(VirtualClock):
    """Somebody sets the clock on the wall."""

    ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


@in_virtual_time
async def test_a_clock_that_is_set_back_does_not_end_the_learning() -> None:
    wall = Wall()
    wall.ahead = 3650 * DAY
    scene = Scene(clock=wall)
    scene.store.medians = {"default/d/t": (100, 20.0)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(10)
        wall.ahead = 0
        scene.store.medians["default/d/t"] = (100, 30.0)
        await asyncio.sleep(60)
        assert scene.median() == 30.0
        assert scene.learner.views()[0].next < START + 3 * DAY


@in_virtual_time
async def test_what_somebody_went_back_from_is_not_learned_again_by_the_clock() -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(10)
        with pytest.raises(Rejected, match="no version before"):
            await scene.learner.back("default/usual")
        scene.store.medians["default/d/t"] = (100, 30.0)
        scene.learner.fit("Baseline", "default/usual")
        await asyncio.sleep(10)
        assert scene.median() == 30.0
        assert await scene.learner.back("default/usual") == 1
        await asyncio.sleep(2 * 86400)
        assert scene.median() == 20.0
        scene.learner.fit("Baseline", "default/usual")
        await asyncio.sleep(10)
        assert scene.median() == 30.0


@in_virtual_time
async def test_a_series_has_one_baseline_and_the_other_says_whose_it_is() -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0), "default/e/t": (100, 1.0)}
    async with scene.running():
        scene.apply(baseline("first", **{"from": [{"device": "d", "property": "t"}]}))
        await asyncio.sleep(10)
        scene.apply(baseline("second"))
        await asyncio.sleep(10)
        views = {view.id: view for view in scene.learner.views()}
        assert views["default/second"].series == 1
        assert views["default/second"].reason == "1 are another's: default/d/t (default/first)"
        scene.apply(baseline("first", **{"from": [{"device": "e", "property": "t"}]}))
        await asyncio.sleep(10)
        assert scene.median() is None


@in_virtual_time
async def test_beyond_the_limit_of_series_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learning.learner.SERIES", 2)
    scene = Scene()
    scene.store.medians = {f"default/d{n}/t": (100, 20.0) for n in range(5)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(20)
        (view,) = scene.learner.views()
        assert (view.state, view.series) == ("learned", 2)
        assert "3 are beyond the limit of 2 series" in view.reason


@in_virtual_time
async def test_what_is_held_stays_so_under_a_changed_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.store.medians = {"default/d/t": (100, 20.0)}
    async with scene.running():
        scene.apply(baseline())
        await asyncio.sleep(10)
        scene.store.medians["default/d/t"] = (100, 30.0)
        scene.learner.fit("Baseline", "default/usual")
        await asyncio.sleep(10)
        await scene.learner.back("default/usual")
        scene.apply(baseline(threshold=5.0))
        await asyncio.sleep(10)
        assert scene.median() == 20.0
        scene.learner.fit("Baseline", "default/usual")
        await asyncio.sleep(10)
        assert scene.median() == 30.0


@in_virtual_time
async def test_nobody_asks_for_what_is_not_there() -> None:
    scene = Scene()
    with pytest.raises(Rejected, match="there is no Forecast default/rat"):
        scene.learner.fit("Forecast", "default/rat")


@in_virtual_time
async def test_a_forecast_is_kept_and_its_leads_are_points_of_now() -> None:
    scene = Scene()
    path = tuple(Step(START + n, 10.0 + n, 9.0, 11.0, 8.0, 12.0) for n in range(3))
    naive = Trial("last value", True, 1.0)
    scene.store.answer = Prediction("last value", False, (naive,), 8, path)
    async with scene.running():
        scene.apply(forecast(leads=["6h", "12h"]))
        await asyncio.sleep(10)
        assert [(p.series, p.number) for p in scene.store.taught] == [
            ("default/line-1/rate.forecast.6h", 11.0),
            ("default/line-1/rate.forecast.6h.low", 9.0),
            ("default/line-1/rate.forecast.6h.high", 11.0),
            ("default/line-1/rate.forecast.12h", 12.0),
            ("default/line-1/rate.forecast.12h.low", 9.0),
            ("default/line-1/rate.forecast.12h.high", 11.0),
        ]
        assert all(p.at <= scene.clock.now() for p in scene.store.taught)
        assert FORECAST + "default/rate" in scene.store.knowledge.lessons
        said = "no method did better on the past than last value, which is published"
        assert scene.store.told == [("warning", f"Forecast: {said}")]
        assert scene.learner.views()[0].reason == said
