"""Campaigns within the sequencer: a line of one setting, in virtual time; proposals are the model's own."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from gateway.tunings import Tunings
from learning.tuning.campaign import TUNING, Campaign
from learning.tuning.task import Proposal, Task
from tests.clock import in_virtual_time
from tests.gateway.stage import Disk, Stage, wishes
from tests.learning.tunings import body
from twins.errors import Rejected
from twins.exchange import Point, Rows, Scalar
from twins.stimuli import Edit, Updated

NAME = "default/line"
HOT = [{"device": "press", "property": "heat", "most": 90}]


class Line:
    """The far side: a press that takes what is desired of it, says what it makes each second, and its history."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.heat, self.best = 50.0, 60.0
        self.obeys = True

    async def run(self) -> None:
        while True:
            twin = self.stage.core.twins.get("default/press")
            held = twin.properties["speed"] if twin is not None else None
            speed = held.desired.value if held is not None and held.desired is not None and self.obeys else None
            speed = speed or (held.reported.value if held is not None and held.reported is not None else "30")
            pieces = 100 - (float(speed) - self.best) ** 2 / 20
            await self.stage.report("default/press", speed=speed, pieces=repr(pieces), heat=repr(self.heat))
            await asyncio.sleep(1)

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows:
        namespace, device, name, since, until = parameters
        series = f"{namespace}/{device}/{name}"
        points: list[Point] = [p for batch in self.stage.disk.batches for p in batch.points if p.series == series]
        numbers = [p.number for p in points if int(since or 0) <= p.at <= int(until or 0) and p.number is not None]
        if not numbers:
            return Rows((), [(0, None, None, None)])
        return Rows((), [(len(numbers), sum(numbers) / len(numbers), min(numbers), max(numbers))])


class Scene:
    def __init__(self, disk: Disk | None = None, ask: Any = None) -> None:
        self.stage = Stage(disk)
        self.line = Line(self.stage)
        clock, cause = self.stage.clock, self.stage.next_cause
        self.tunings = Tunings(self.stage.core, self.line, "UTC", clock, cause, ask or drawn)
        self.stage.registry.watch("Tuning", self.tunings.apply)
        self.stage.core.listen(self.tunings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scene]:
        async with self.stage.running(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.line.run()), group.create_task(self.tunings.run())]
            await asyncio.sleep(2)
            yield self
            for task in tasks:
                task.cancel()

    async def apply(self, **spec: Any) -> None:
        await self.stage.registry.apply(body(**spec), "test")

    @property
    def campaign(self) -> Campaign:
        return self.stage.core.knowledge.campaigns[NAME]

    @property
    def view(self) -> Any:
        return self.tunings.views()[0]

    @property
    def speed(self) -> str | None:
        return self.tunings.asked("default/press", "speed")

    @property
    def set_(self) -> list[str | None]:
        """What was desired of the speed, in order."""
        return [value for batch in self.stage.disk.batches for name, value in wishes(batch) if name.endswith("speed")]

    @property
    def said(self) -> list[str]:
        return [e.message for batch in self.stage.disk.batches for e in batch.events if e.kind == "tuning"]


async def drawn(task: Task) -> Proposal:
    """Proposals by the dozen: ten faster each time."""
    await asyncio.sleep(2)
    best = max((s for s in task.seen if s.objective is not None), key=lambda s: s.objective or 0.0)
    return Proposal((f"{float(task.now[0]) + 10:g}",), best.number)


async def modelled(task: Task) -> Proposal:
    from learning.tuning.model import proposed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in its process
        return proposed(task)


@in_virtual_time
async def test_auto_finds_better_values_and_says_what_it_was_before_and_is_after() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'gemelo[learning]'")
    scene = Scene(ask=modelled)
    async with scene.running():
        await scene.apply(mode="auto", budget=6)
        await asyncio.sleep(700)
        view = scene.view
        assert (view.state, view.used) == ("done", 6)
        assert view.before == pytest.approx(55.0)
        assert view.after > 95
        assert float(scene.speed or 0) == pytest.approx(60, abs=10)
        assert scene.said[0] == "Tuning: measures speed 30, as it was found"
        assert "55 at the start" in scene.said[-1]
        moves = [30.0, *(float(each or 0) for each in scene.set_)]
        assert all(abs(b - a) <= 20 or b in moves for a, b in pairwise(moves))


@in_virtual_time
async def test_advise_sets_nothing_before_somebody_says_yes_and_tells_who() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="advise")
        await asyncio.sleep(500)
        assert (scene.view.state, scene.view.proposed, scene.speed, scene.set_) == ("proposed", 1, "30", [])
        with pytest.raises(Rejected, match="proposes trial 1, not 7"):
            await scene.tunings.approve(NAME, 7, "ann")
        both = await asyncio.gather(
            *(scene.tunings.approve(NAME, None, who) for who in ("ann", "bob")), return_exceptions=True
        )
        assert [type(each).__name__ for each in both] == ["RunView", "Rejected"]
        assert scene.set_ == ["40"]
        assert "Tuning: trial 1, approved by ann, sets speed 40" in scene.said
        await asyncio.sleep(100)
        assert scene.view.proposed == 2
        await scene.tunings.reject(NAME, 2, "bob")
        await asyncio.sleep(10)
        assert (scene.view.proposed, scene.view.used, scene.set_) == (3, 1, ["40"])
        assert scene.view.after == 80.0


@in_virtual_time
async def test_a_single_value_beyond_a_limit_undoes_the_trial_at_once() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto", limits=HOT)
        await asyncio.sleep(80)
        assert scene.set_ == ["40"]
        scene.line.heat = 91.0
        await asyncio.sleep(1.5)
        assert scene.set_ == ["40", "30"]
        assert scene.campaign.trials[1].state == "broken"
        assert "default/press/heat is 91, above 90; back to speed 30" in scene.said[-1]


@in_virtual_time
async def test_a_hand_on_a_parameter_stops_it_until_it_is_let_go_on() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto")
        await asyncio.sleep(100)
        now, cause = scene.stage.clock.now(), scene.stage.next_cause()
        await scene.stage.core.ask(Updated("default/press", cause, now, {"speed": Edit(desired="77")}, now))
        await asyncio.sleep(300)
        assert (scene.view.state, scene.speed, scene.campaign.trials[1].state) == ("stopped", "77", "void")
        await scene.tunings.resume(NAME, "ann")
        await asyncio.sleep(20)
        assert (scene.view.state, scene.speed) == ("measuring", "87")


@in_virtual_time
async def test_what_the_device_does_not_take_is_no_measurement() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto", budget=1)
        await asyncio.sleep(60)
        scene.line.obeys = False
        await asyncio.sleep(100)
        trial = scene.campaign.trials[1]
        assert (trial.state, trial.reason) == ("void", "default/press/speed is reported as 30, not 40")


@in_virtual_time
async def test_outside_of_its_hours_it_goes_back_to_the_best_and_waits() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto", schedule="*/10 * * * *", fall=1)
        await asyncio.sleep(600 - scene.stage.clock.now() / 1e6 % 600 - 5)
        assert (scene.set_, scene.view.used) == ([], 0)
        await asyncio.sleep(10)
        assert (scene.set_, scene.view.used) == (["40"], 1)
        scene.line.best = 0.0
        await asyncio.sleep(200)
        assert (scene.campaign.trials[1].state, scene.set_) == ("measured", ["40", "30"])


@in_virtual_time
async def test_after_a_kill_a_trial_is_neither_set_twice_nor_lost() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto", budget=2, limits=HOT)
        await asyncio.sleep(90)
        assert scene.set_ == ["40"]
        before = scene.campaign
    found = scene.stage.disk.found()
    again = Scene(scene.stage.disk)
    again.stage.twins.restore(found.twins, found.seen)
    assert again.stage.core.knowledge.restore([("Tuning", NAME)], found.streams) == []
    assert again.campaign == before
    again.stage.registry.restore(found.manifests)
    async with again.running():
        await asyncio.sleep(30)
        assert again.set_ == ["40"]
        await asyncio.sleep(200)
        assert again.set_ == ["40", "50"]
        assert [t.number for t in again.campaign.trials] == [0, 1, 2, 3]
        assert again.view.state == "done"
        assert again.view.after == 95.0


@in_virtual_time
async def test_a_limit_that_broke_before_a_kill_is_found_after_it() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto", limits=HOT)
        await asyncio.sleep(80)
        scene.tunings.tell = lambda committed: None  # type: ignore[method-assign]  # it is killed before it looks
        scene.stage.core._listeners.remove(scene.tunings)
        scene.line.heat = 99.0
        await asyncio.sleep(1.5)
        assert scene.campaign.trials[1].state == "measuring"
    found = scene.stage.disk.found()
    again = Scene(scene.stage.disk)
    again.stage.twins.restore(found.twins, found.seen)
    again.stage.core.knowledge.restore([("Tuning", NAME)], found.streams)
    again.stage.registry.restore(found.manifests)
    async with again.running():
        assert again.campaign.trials[1].state == "broken"
        assert again.set_[:2] == ["40", "30"]


@in_virtual_time
async def test_a_manifest_that_goes_takes_its_trials_and_leaves_what_is_set() -> None:
    scene = Scene()
    async with scene.running():
        await scene.apply(mode="auto")
        await asyncio.sleep(90)
        await scene.stage.registry.delete("Tuning", NAME)
        await asyncio.sleep(200)
        assert (scene.stage.core.knowledge.campaigns, scene.speed) == ({}, "40")
        assert TUNING + NAME not in scene.stage.disk.found().streams


@in_virtual_time
async def test_a_proposal_beyond_the_envelope_is_never_set() -> None:
    async def wild(task: Task) -> Proposal:
        return Proposal(("99",), 0)

    scene = Scene(ask=wild)
    async with scene.running():
        await scene.apply(mode="auto")
        await asyncio.sleep(300)
        assert (scene.set_, scene.view.state) == ([], "failing")
        assert "envelope" in scene.view.reason
