from __future__ import annotations

import asyncio

import pytest

from rules.manifest.detector import decode
from tests.clock import in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle, values
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.stimuli import Left


@in_virtual_time
async def test_nobody_is_answered_or_told_before_the_commit() -> None:
    stage, answers = Stage(Disk(held=True)), []
    async with stage.running():
        await stage.core.offer((stage.update(t="1"),), answers.append)
        await settle()
        assert (len(stage.disk.batches), answers, stage.told) == (1, [], [])
        assert not stage.core.idle
        await stage.disk.commit()
        assert answers == [Outcome()]
        assert stage.told[0].changed.keys() == {"default/d1"}
        assert stage.core.idle


@in_virtual_time
async def test_who_offered_is_answered_before_the_listeners_are_told() -> None:
    """The door acknowledges in `tell` what `done` gave it."""
    stage, told_first = Stage(), []
    async with stage.running():
        await stage.core.offer((stage.update(t="1"),), lambda _: told_first.append(bool(stage.told)))
        await settle()
    assert told_first == [False]
    assert len(stage.told) == 1


@in_virtual_time
async def test_while_a_batch_is_written_the_next_is_decided_and_the_order_stays() -> None:
    stage, answered = Stage(Disk(held=True)), []
    async with stage.running():
        for n in range(600):
            await stage.core.offer((stage.update(f"default/d{n}", t=str(n)),), lambda _, n=n: answered.append(n))
        await settle()
        assert [len(values(batch)) for batch in stage.disk.batches] == [256, 256, 88]
        await stage.disk.commit(1)
        assert answered == list(range(256))
        await stage.disk.commit(2)
        assert answered == list(range(600))
        assert [len(told.changed) for told in stage.told] == [256, 256, 88]


@in_virtual_time
async def test_the_batches_on_their_way_to_the_disk_are_bounded() -> None:
    stage = Stage(Disk(held=True), intake=4)
    async with stage.running():
        taken = 0
        for _ in range(1000):
            taken += stage.core.offer_nowait((stage.update(t="1"),))
            await settle()
        assert taken < 40
        assert stage.core.offer_nowait((stage.update(t="1"),)) is False
        late = asyncio.ensure_future(stage.core.ask(stage.update(t="2")))  # noqa: TID251 - ends in this test
        await settle()
        assert not late.done()
        stage.disk.held = False
        await stage.disk.commit()
        assert await late == Outcome()


@in_virtual_time
async def test_a_disk_that_is_behind_slows_the_intake() -> None:
    stage = Stage()
    stage.disk.pressure = 0.9
    async with stage.running():
        await stage.core.offer((stage.update(t="1"),))
        await settle()
        await stage.core.offer((stage.update(t="2"),))
        await stage.clock.sleep(60)
        assert len(stage.disk.batches) == 1
        stage.disk.pressure = 0.1
        await stage.clock.sleep(0.02)
        assert len(stage.disk.batches) == 2


@in_virtual_time
async def test_a_refusal_is_an_outcome_with_reason_and_code() -> None:
    stage = Stage()
    async with stage.running():
        outcome = await stage.core.ask(stage.update("default/d1", t="x" * 9000))
        assert outcome.code == 400
        assert "9000 characters" in (outcome.refused or "")
        assert stage.core.counts.refused == 1


@in_virtual_time
async def test_stimuli_offered_together_get_the_first_refusal_and_the_rest_is_done() -> None:
    stage = Stage()
    async with stage.running():
        outcome = await stage.core.ask(stage.update(t="1"), stage.update(t="x" * 9000), stage.update(u="2"))
        assert "9000 characters" in (outcome.refused or "")
        twin = stage.twins.get("default/d1")
        assert twin is not None
        assert {"t", "u"} <= twin.properties.keys()


@in_virtual_time
async def test_who_asks_waits_for_a_time_only() -> None:
    stage = Stage(Disk(held=True))
    async with stage.running():
        with pytest.raises(TimeoutError):
            await stage.core.ask(stage.update(t="1"), within=5.0)
        assert asyncio.get_running_loop().time() == 5.0
        await stage.disk.commit()
        assert stage.core.idle


@in_virtual_time
async def test_it_is_idle_again_after_offers_that_were_given_up() -> None:
    stage = Stage(Disk(held=True), intake=1)
    async with stage.running():
        for _ in range(50):
            with pytest.raises(TimeoutError):
                await stage.core.ask(stage.update(t="1"), within=0.001)
        stage.disk.held = False
        await stage.disk.commit()
        assert stage.core.idle


@in_virtual_time
async def test_a_device_that_left_leaves_the_disk() -> None:
    stage = Stage()
    async with stage.running():
        await stage.report(t="1")
        assert stage.batch.twins["default/d1"] is not None
        await stage.core.ask(Left("default/d1", "test:1:0", 0))
        assert stage.batch.twins["default/d1"] is None


@in_virtual_time
async def test_what_the_rules_decide_at_a_start_is_the_first_batch() -> None:
    """The rule has changed while the gateway was away: a state and a timer that it does not know any more go."""
    disk = Disk()
    first = Stage(disk)
    async with first.running():
        waits = {"name": "go", "to": "B", "when": "t > 5.0", "for": "1h"}
        await first.registry.apply(rule(states={"A": {"onInput": {"transitions": [waits]}}, "B": {}}), "test")
        await first.report(t="9")
    found = disk.found()
    (timer,) = found.timers
    assert list(found.rules) == ["default/rule/default/d1"]

    disk.held = True
    second = Stage(disk)
    second.timers.restore(found.timers)
    decided = second.rules.restore(found.rules, found.timers)
    decided += second.rules.apply(decode(rule(initial="C", states={"C": {}}), "test"))
    second.core.resume(decided)
    assert len(second.timers) == 0
    async with second.running():
        assert second.told == []
        await disk.commit()
        assert second.told[0].decisions == decided
        assert [event.message for event in second.told[0].events] == [
            "1 instance of rule default/rule began anew: the state they were in is gone"
        ]
        assert second.core.idle
    assert disk.found().timers == {}
    assert disk.found().rules == {}
    assert disk.batches[-1].timers == {timer: None}


@in_virtual_time
async def test_a_changed_rule_that_would_strand_an_instance_is_refused_and_nothing_of_it_is_written() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(rule(states={"A": {}}), "test")
        await stage.report(t="9")
        before = stage.disk.found()
        with pytest.raises(Rejected, match=r"'A' is gone, with 1 of 1 instance in it; write migration: map") as refused:
            await stage.registry.apply(rule(initial="C", states={"C": {}}), "test")
        assert refused.value.code == 409
        assert stage.disk.found().manifests == before.manifests
        mapped = rule(initial="C", states={"C": {}}, migration="map", map={"states": {"A": "C"}})
        await stage.registry.apply(mapped, "test")
        assert [instance.state for view in stage.rules.views() for instance in view.instances] == ["C"]
        await stage.registry.apply(rule(initial="D", states={"D": {}}, migration="reset"), "test")
        assert stage.disk.found().rules == {}
        (event,) = stage.told[-1].events
        assert event.message == "1 instance of rule default/rule began anew: its manifest was changed"
        assert stage.batch.events == [event]


@in_virtual_time
async def test_a_start_at_which_nothing_was_decided_writes_nothing() -> None:
    stage = Stage()
    stage.core.resume([])
    async with stage.running():
        assert stage.disk.batches == []
