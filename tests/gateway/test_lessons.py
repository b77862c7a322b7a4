"""What is learned within the sequencer: one commit with the point, rules, restarts, a disk that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.lessons import Lessons
from learning.knowledge import Knowledge
from learning.lesson import BASELINE, TRAIL
from rules.instructions import Command
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, rule, values
from twins.exchange import Point, Rows, Scalar
from twins.stimuli import Left, Recorded

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'gemelo[sql]'")


class Past:
    """The far side: one series or several with a median of 20 and a scale of 1."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows:
        if "points_1h" in text:
            return Rows((), [("default", "d1", name, 100) for name in self._names])
        return Rows((), [(100, 1, 2, 20.0, 0.6745, 1.0)])


def baseline(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Baseline",
        "metadata": {"name": "usual"},
        "spec": {"from": [{"property": "t*"}]} | spec,
    }


@asynccontextmanager
async def learning(stage: Stage, *names: str) -> AsyncIterator[Lessons]:
    lessons = Lessons(stage.core, Past(*names), "UTC", stage.clock, stage.next_cause)
    stage.registry.watch("Baseline", lessons.baseline)
    async with stage.running(), asyncio.TaskGroup() as group:
        running = group.create_task(lessons.run())
        yield lessons
        running.cancel()


def numbers(points: list[Point]) -> dict[str, float | None]:
    return {p.series.removeprefix("default/d1/"): p.number for p in points}


@in_virtual_time
async def test_a_score_is_in_the_commit_of_its_point_and_so_is_the_rules_answer() -> None:
    stage = Stage()
    go = {"when": "score > 3.5", "do": [{"set": {"device": "fan-1", "property": "fan", "value": '"on"'}}]}
    looks = rule(inputs={"score": {"property": "t.anomaly"}}, states={"A": {"onInput": {"events": [go]}}})
    async with learning(stage, "t"):
        await stage.registry.apply(looks, "test")
        await stage.registry.apply(baseline(), "test")
        await stage.report("default/fan-1", fan="off")
        await stage.report(t="20")
        await stage.clock.sleep(1)
        assert numbers(values(stage.batch)) == {"t": 20.0, "t.anomaly": 0.0, "t.low": 16.5, "t.high": 23.5}
        await stage.report(t="25")
        assert numbers(values(stage.batch)) == {"t": 25.0, "t.anomaly": pytest.approx(5.0)}
        assert "default/fan-1" in stage.batch.twins
        (command,) = [d for d in stage.told[-1].decisions if isinstance(d, Command)]
        (said,) = [i for i in stage.told[-1].said if getattr(i, "device", "") == "default/d1"]
        assert command.cause == said.cause


@in_virtual_time
async def test_results_of_queries_are_scored_and_points_of_the_past_are_not() -> None:
    stage = Stage()
    query = baseline() | {"kind": "Query", "metadata": {"name": "q"}}
    query["spec"] = {"from": [{"property": "t"}], "window": {"count": {"size": 2}}, "aggregates": ["mean"]}
    async with learning(stage, "t.q.mean"):
        await stage.registry.apply(query, "test")
        await stage.registry.apply(baseline(), "test")
        await stage.clock.sleep(1)
        await stage.report(t="20")
        await stage.clock.sleep(1)
        await stage.report(t="24")
        assert numbers(values(stage.batch))["t.q.mean.anomaly"] == 2.0
        past = Point("default/d1/t", 5, 1, 99.0, None), Point("default/d1/t.q.mean", 6, 2, 99.0, None)
        await stage.core.ask(Recorded("", "import:1:1", stage.clock.now(), past))
        assert not any(name.endswith("anomaly") for name in numbers(stage.batch.points))


@in_virtual_time
async def test_what_follows_the_points_is_written_with_them_and_taken_up_again() -> None:
    stage = Stage()
    async with learning(stage, "t"):
        await stage.registry.apply(baseline(method="ewma"), "test")
        await stage.clock.sleep(1)
        await stage.report(t="22")
        assert stage.batch.streams.keys() == {TRAIL + "default/d1/t"}
    found = stage.disk.found()
    again = Stage(stage.disk)
    again.registry.restore(found.manifests)
    assert again.core.knowledge.restore([("Baseline", "default/usual")], found.streams) == []
    one, other = stage.core.knowledge, again.core.knowledge
    point = Point("default/d1/t", 7, 7, 23.0, None)
    assert other.take(point)[0] == one.take(point)[0]


@in_virtual_time
async def test_a_device_that_leaves_takes_what_was_learned_of_it() -> None:
    stage = Stage()
    async with learning(stage, "t"):
        await stage.report(t="20")
        await stage.registry.apply(baseline(), "test")
        await stage.clock.sleep(1)
        await stage.core.ask(Left("default/d1", "api:1:1", stage.clock.now()))
        assert stage.batch.streams == {BASELINE + "default/d1/t": None}
        assert stage.core.knowledge.lessons == {}


@in_virtual_time
async def test_with_a_disk_that_is_full_learning_fails_is_told_and_goes_on_when_there_is_room() -> None:
    stage = Stage()
    async with learning(stage, "t", "t2") as lessons:
        await stage.registry.apply(baseline(), "test")
        stage.disk.held = True
        await stage.clock.sleep(60)
        (view,) = lessons.views()
        assert view.state == "failing"
        assert "the store is behind" in view.reason
        assert list(lessons.troubles) == [f"Baseline default/usual: {view.reason}"]
        stage.disk.held = False
        await stage.disk.commit()
        await stage.clock.sleep(600)
        (view,) = lessons.views()
        assert (view.state, view.series, view.failures) == ("learned", 2, 0)
        assert not list(lessons.troubles)
    assert isinstance(stage.core.knowledge, Knowledge)
