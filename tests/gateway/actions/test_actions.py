"""The queue of actions on a core in virtual time. Performers stand for the far side: they do what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.actions.actions import Actions
from gateway.actions.task import DAY, Away, Finished, row
from rules.instructions import Act
from rules.tasks import Post, Publish, Task
from tests.clock import in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle
from twins.errors import Rejected, Unavailable
from twins.exchange import Event, OutboxRow
from twins.stimuli import Edit, Updated

QUOTA = 1 << 20


class Theatre(Stage):
    """A core with actions; `done` holds what was done, `mood` is what the far side does."""

    def __init__(self, disk: Disk | None = None, quota: int = QUOTA) -> None:
        super().__init__(disk)
        self.done: list[Act] = []
        self.mood: Callable[[Act], Finished] = lambda act: Finished("well")
        kinds: dict[type[Task], Any] = {Post: self._perform, Publish: self._perform}
        self.actions = Actions(self.core, self.clock, self.next_cause, kinds, quota, self._close)
        self.core.keep(self.actions)
        self.core.listen(self.actions)

    async def _perform(self, act: Act) -> Finished:
        await self.clock.sleep(0.01)
        finished = self.mood(act)
        self.done.append(act)
        return finished

    async def _close(self) -> None:
        pass

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[Theatre]:
        async with self.running(), asyncio.TaskGroup() as group:
            run = group.create_task(self.actions.run())
            try:
                yield self
            finally:
                run.cancel()

    async def rule(self, *do: dict[str, Any], **more: Any) -> None:
        states = {"A": {"onInput": {"events": [{"name": "go", "do": list(do)}]}}}
        await self.registry.apply(rule(states=states, **more), "test")

    @property
    def kept(self) -> list[OutboxRow]:
        """What is on disk, to be done."""
        return self.disk.found().outbox

    @property
    def events(self) -> list[Event]:
        return [event for told in self.told for event in told.events if event.kind == "action"]

    @property
    def records(self) -> list[dict[str, Any]]:
        points = [point for batch in self.disk.batches for point in batch.points if point.series.endswith("/$action")]
        return [json.loads(point.text or "") for point in points]


def refuse(act: Act) -> Finished:
    raise Rejected("no such thing")


def away(act: Act) -> Finished:
    raise Unavailable("gone")


POST = {"webhook": {"url": "http://a/x", "body": "${t}"}}


@in_virtual_time
async def test_an_action_is_kept_with_its_decision_and_forgotten_with_its_record() -> None:
    stage = Theatre(Disk(held=True))
    async with stage.playing():
        apply = asyncio.ensure_future(stage.rule(POST))  # noqa: TID251 - ends in this test
        await settle()
        await stage.disk.commit()
        await apply
        await stage.core.offer((stage.update(t="1"),))
        await settle()
        (kept,) = stage.batch.outbox.values()
        assert kept is not None
        assert (kept.kind, kept.cause, stage.done) == ("action", "test:1:2", [])
        stage.disk.held = False
        await stage.disk.commit()
        await stage.clock.sleep(1)
        (act,) = stage.done
        assert (stage.batch.outbox, stage.kept) == ({f"action:{act.id}": None}, [])
        assert [each["outcome"] for each in stage.records] == ["done"]
        (told,) = stage.events
        assert (told.message, told.cause) == ("POST http://a for default/d1: done: well", "test:1:2")
        counts = stage.actions.counts
        assert (counts.queued, counts.done, len(stage.actions.lanes)) == (1, 1, 0)


@in_virtual_time
async def test_what_fails_for_good_is_told_and_not_tried_again() -> None:
    stage = Theatre()
    stage.mood = refuse
    async with stage.playing():
        await stage.rule(POST)
        await stage.report(t="1")
        await stage.clock.sleep(600)
        assert (stage.actions.counts.failed, stage.kept) == (1, [])
        (told,) = stage.events
        assert (told.severity, told.message) == ("warning", "POST http://a for default/d1: failed: no such thing")
        assert [(each["outcome"], each["tries"]) for each in stage.records] == [("failed", "1")]


@in_virtual_time
async def test_a_defect_of_ours_is_the_end_of_one_action_and_of_no_other(caplog: pytest.LogCaptureFixture) -> None:
    stage = Theatre()

    def stumble(act: Act) -> Finished:
        if not stage.done:
            stage.done.append(act)
            raise KeyError("x")
        return Finished("well")

    stage.mood = stumble
    async with stage.playing():
        await stage.rule(POST)
        await stage.report(t="1")
        await stage.report(t="2")
        await stage.clock.sleep(5)
        assert [each["outcome"] for each in stage.records] == ["failed", "done"]
        assert "internal error: KeyError('x')" in stage.records[0]["why"]


@in_virtual_time
async def test_what_can_not_be_done_now_is_tried_until_its_time_is_over_and_told_once() -> None:
    stage = Theatre()
    stage.mood = away
    async with stage.playing():
        await stage.rule({"webhook": {"url": "http://a/x", "within": "10m"}})
        await stage.report(t="1")
        await stage.clock.sleep(800)
        assert stage.events[0].message == "POST http://a for default/d1: gone; it is tried again"
        assert "failed after" in stage.events[1].message
        assert len(stage.events) == 2
        assert "its time is over" in stage.records[0]["why"]
        assert stage.actions.counts.retried >= 10


@in_virtual_time
async def test_a_target_that_asks_for_patience_gets_it() -> None:
    stage, tries = Theatre(), []

    def busy(act: Act) -> Finished:
        tries.append(stage.clock.monotonic())
        raise Away("busy", 100.0)

    stage.mood = busy
    async with stage.playing():
        await stage.rule(POST)
        await stage.report(t="1")
        await stage.clock.sleep(250)
        assert len(tries) == 3


@in_virtual_time
async def test_after_a_restart_what_was_not_done_is_done_in_order_under_its_ids() -> None:
    first = Theatre()
    first.mood = away
    async with first.playing():
        await first.rule(POST)
        for value in ("1", "2", "3"):
            await first.report(t=value)
        await first.clock.sleep(5)
    kept = first.kept
    assert len(kept) == 3
    again = Theatre()
    broken = OutboxRow("action:x", "action", "", 0, b"\xc1", "c")
    again.actions.restore([broken, OutboxRow("event:x", "event", "", 0, b"", "c"), *kept])
    async with again.playing():
        await again.clock.sleep(5)
        assert [act.task.body for act in again.done if isinstance(act.task, Post)] == ["1", "2", "3"]
        assert [f"action:{act.id}" for act in again.done] == [each.key for each in kept]
        gone = {key for batch in again.disk.batches for key, value in batch.outbox.items() if value is None}
        assert gone == {"action:x", *(each.key for each in kept)}


@in_virtual_time
async def test_what_has_to_go_for_the_quota_is_the_oldest_recorded_and_counted() -> None:
    stage = Theatre(quota=3 * 900)
    stage.mood = away
    async with stage.playing():
        await stage.rule(POST)
        for value in range(6):
            await stage.report(t=str(value))
        await stage.clock.sleep(2)
        counts = stage.actions.counts
        assert counts.dropped == counts.queued - len(stage.kept) > 0
        assert [each["outcome"] for each in stage.records] == ["dropped"] * counts.dropped
        assert "too much waits" in stage.records[0]["why"]
        stage.mood = lambda act: Finished("")
        await stage.clock.sleep(120)
        bodies = [act.task.body for act in stage.done if isinstance(act.task, Post)]
        assert bodies[-2:] == ["4", "5"]
        assert counts.queued == counts.done + counts.dropped


@in_virtual_time
async def test_what_an_action_does_inside_is_in_the_commit_that_forgets_it() -> None:
    stage = Theatre()

    def ask(act: Act) -> Finished:
        now = stage.clock.now()
        return Finished("", (Updated("default/d1", act.cause, now, {"fan": Edit(desired="on")}, now, origin="edge"),))

    stage.mood = ask
    async with stage.playing():
        await stage.rule(POST)
        await stage.report(t="1", fan="off")
        await stage.clock.sleep(1)
        assert stage.batch.twins.keys() == {"default/d1"}
        assert list(stage.batch.outbox.values()) == [None]


@in_virtual_time
async def test_held_and_rehearsed_actions_are_counted_and_never_queued() -> None:
    stage = Theatre()
    async with stage.playing():
        await stage.rule(POST | {"limit": {"times": 1}}, POST | {"dryRun": True})
        for value in ("1", "2", "3"):
            await stage.report(t=value)
        await stage.clock.sleep(5)
        counts = stage.actions.counts
        assert (counts.queued, counts.done, counts.held, counts.rehearsed) == (1, 1, 2, 3)
        assert len([event for event in stage.events if "holds back" in event.message]) == 1


@in_virtual_time
async def test_many_actions_of_a_rule_are_told_in_one_line_a_minute() -> None:
    stage = Theatre()
    async with stage.playing():
        await stage.rule({"publish": {"topic": "x"}})
        for value in range(50):
            await stage.report(t=str(value))
        await stage.clock.sleep(130)
        assert len(stage.records) == 50
        assert len(stage.events) < 25
        assert "more actions in the last minute" in stage.events[-1].message


@in_virtual_time
async def test_an_action_that_waited_for_a_day_is_given_up() -> None:
    stage = Theatre()
    old = Act("ab" * 12, "default/rule/d1", "c", stage.clock.now() - DAY - 1, Publish("x", ""))
    stage.actions.restore([row(old)])
    async with stage.playing():
        await stage.clock.sleep(1)
        assert (stage.done, [each["outcome"] for each in stage.records]) == ([], ["failed"])
