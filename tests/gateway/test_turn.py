from __future__ import annotations

from typing import Any

import msgspec

from gateway.committed import Committed
from rules.instructions import Command
from rules.rules import DEPTH
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, body, rule, values, wishes
from twins.exchange import Event, Result
from twins.instructions import Actuate, Delta, Instruction
from twins.stimuli import Applied, Edit, Inferred, Joined, Stimulus, Updated
from twins.twin import Twins
from twins.values import Declared


def commands(device: str, value: str = '"on"', **step: Any) -> dict[str, Any]:
    """A rule that commands `device` when `t` is above 5."""
    event = {"name": "go", "when": "t > 5.0", "do": [{"set": {"device": device, "property": "fan", "value": value}}]}
    return rule(states={"A": {"onInput": {"events": [event | step]}}})


def events(stage: Stage) -> list[Event]:
    return [event for told in stage.told for event in told.events]


@in_virtual_time
async def test_a_rules_command_is_in_the_same_batch_as_the_fact_that_led_to_it() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(commands("fan-1"), "test")
        await stage.report("default/fan-1", fan="off")
        await stage.report("default/d1", t="9")
        batch = stage.batch
        assert {"default/d1", "default/fan-1"} <= batch.twins.keys()
        assert [point.series for point in values(batch)] == ["default/d1/t"]
        assert batch.rules.keys() == {"default/rule/default/d1"}
        told = stage.told[-1]
        assert [order.values for order in told.orders] == [{"fan": "on"}]
        assert [i.device for i in told.said if isinstance(i, Delta)] == ["default/fan-1"]
        causes = {i.cause for i in told.said} | {d.cause for d in told.decisions if isinstance(d, Command)}
        assert len(causes) == 1
        assert stage.core.counts.commands == 1


@in_virtual_time
async def test_what_is_desired_has_a_history_when_it_changes_and_when_it_goes() -> None:
    stage = Stage()

    async def wish(value: str | None) -> list[tuple[str, str | None]]:
        edits = {"fan": None if value is None else Edit(desired=value)}
        now = stage.clock.now()
        await stage.core.ask(Updated("default/d1", stage.next_cause(), now, edits, now, origin="edge"))
        return wishes(stage.batch)

    async with stage.running():
        await stage.report(fan="off")
        assert wishes(stage.batch) == []
        assert await wish("on") == [("default/d1/fan", "on")]
        assert await wish("on") == []
        assert await wish("off") == [("default/d1/fan", "off")]
        assert [point.seq for point in stage.batch.points] == [2 << 32]
        assert await wish(None) == [("default/d1/fan", "")]
        declared = Joined("default/d1", "test:1:1", stage.clock.now(), {"fan": Declared(desired="5")})
        await stage.core.ask(declared)
        assert wishes(stage.batch) == [("default/d1/fan", "5")]


@in_virtual_time
async def test_a_command_to_a_device_that_is_not_there_is_told_once_for_each() -> None:
    stage = Stage()
    two = [{"set": {"device": name, "property": "fan", "value": '"on"'}} for name in ("gone-1", "gone-2")]
    async with stage.running():
        await stage.registry.apply(commands("", do=two), "test")
        assert (await stage.report(t="9")).refused is None
        told = events(stage)
        assert [event.severity for event in told] == ["warning", "warning"]
        assert len({event.id for event in told}) == 2
        assert "can't set default/gone-1: update rejected" in told[0].message
        assert stage.batch.events == told


class Obedient(Twins):
    """Devices that live in the gateway itself: what is asked of one it has done, and says so at once."""

    def handle(self, stimulus: Stimulus) -> list[Instruction]:
        said = super().handle(stimulus)
        for i in list(said):
            if isinstance(i, Actuate):
                edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in i.values.items()}
                said += super().handle(Updated(i.device, i.cause, stimulus.seen, edits, stimulus.seen))
        return said


@in_virtual_time
async def test_rules_that_answer_each_other_without_end_are_cut_and_told() -> None:
    stage = Stage(twins=Obedient(enrols=True))
    ping = {"name": "ping", "do": [{"set": {"device": "d1", "property": "t", "value": "t + 1.0"}}]}
    async with stage.running():
        await stage.registry.apply(rule(states={"A": {"onInput": {"events": [ping]}}}), "test")
        await stage.report(t="0")
        counts = stage.core.counts
        assert (counts.loops_cut, counts.commands) == (1, DEPTH)
        (told,) = events(stage)
        assert (told.kind, told.severity) == ("rule", "error")
        assert "cut after 8 rounds; look for a loop of rules" in told.message
        assert len(values(stage.batch)) == DEPTH + 1
        await stage.report(t="0")
        assert counts.loops_cut == 2


@in_virtual_time
async def test_a_result_is_kept_and_its_values_are_facts() -> None:
    stage = Stage()
    result = Result("default/cam", "person", "1", 7, 1, ())
    async with stage.running():
        await stage.core.ask(Inferred("default/cam", "camera:1:1", stage.clock.now(), result, {"persons": "2"}, 1, 7))
        assert stage.batch.results == [result]
        assert [(point.series, point.number) for point in values(stage.batch)] == [("default/cam/persons", 2.0)]
        assert stage.told[-1].inferred[0].result is result


@in_virtual_time
async def test_a_repeated_message_is_one_point_also_after_a_restart() -> None:
    stage = Stage()
    message = stage.update(seq=77, repeats=True, t="1")
    async with stage.running():
        await stage.core.ask(message)
        await stage.core.ask(message)
    assert [len(values(batch)) for batch in stage.disk.batches] == [1, 0]
    assert len(stage.disk.batches[0].seen) == 1
    found = stage.disk.found()
    again = Stage(stage.disk)
    again.twins.restore(found.twins, found.seen)
    async with again.running():
        assert (await again.core.ask(message)).refused is None
        assert again.batch.points == []


@in_virtual_time
async def test_a_number_is_a_number_and_a_text_a_text() -> None:
    stage = Stage()
    declared = {"code": Declared(kind="string"), "t": Declared(kind="float")}
    async with stage.running():
        await stage.core.ask(Joined("default/d1", "test:1:0", stage.clock.now(), declared))
        await stage.report(t="1.5", door="open")
        assert [(p.number, p.text) for p in values(stage.batch)] == [(1.5, None), (None, "open")]


@in_virtual_time
async def test_a_manifest_is_written_with_what_follows_from_it() -> None:
    stage = Stage()
    device = {"kind": "Device"}
    stimuli = (
        Applied("", "test:1:1", 0, "Device", "default/d1", body(device)),
        Joined("default/d1", "test:1:1", 1, {}),
    )
    async with stage.running():
        await stage.core.ask(*stimuli)
        assert stage.batch.manifests == {("Device", "default/d1"): body(device)}
        assert stage.batch.twins.keys() == {"default/d1"}


@in_virtual_time
async def test_a_detector_that_is_refused_leaves_nothing() -> None:
    stage = Stage()
    bad = rule(states={"A": {"onInput": {"events": [{"when": "t > nonsense"}]}}})
    async with stage.running():
        outcome = await stage.core.ask(Applied("", "test:1:1", 0, "Detector", "default/rule", body(bad)))
        assert "nonsense" in (outcome.refused or "")
        assert stage.batch.manifests == {}
        assert stage.told[-1] == Committed()
        assert stage.rules.detectors == {}


@in_virtual_time
async def test_a_detector_that_is_refused_leaves_the_older_one_as_it_was() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(commands("fan-1"), "test")
        bad = rule(initial="Nowhere")
        outcome = await stage.core.ask(Applied("", "test:1:1", 0, "Detector", "default/rule", body(bad)))
        assert outcome.refused is not None
        await stage.report("default/fan-1", fan="off")
        await stage.report(t="9")
        assert stage.core.counts.commands == 1


@in_virtual_time
async def test_a_deleted_detector_takes_its_states_and_timers_along() -> None:
    stage = Stage()
    waits = {"name": "go", "to": "B", "when": "t > 5.0", "for": "1h"}
    async with stage.running():
        await stage.registry.apply(rule(states={"A": {"onInput": {"transitions": [waits]}}, "B": {}}), "test")
        await stage.report(t="9")
        assert len(stage.timers) == 1
        await stage.registry.delete("Detector", "default/rule")
        assert len(stage.timers) == 0
    found = stage.disk.found()
    assert (found.rules, found.timers, found.manifests) == ({}, {}, {})


@in_virtual_time
async def test_the_same_stimuli_make_the_same_batches() -> None:
    """What lets a log be replayed."""
    made = []
    for _ in range(2):
        stage = Stage()
        async with stage.running():
            await stage.registry.apply(commands("fan-1"), "test")
            await stage.report("default/fan-1", fan="off")
            for n in range(30):
                await stage.report(f"default/d{n % 3}", t=str(n))
            made.append([msgspec.json.encode(batch) for batch in stage.disk.batches[1:]])
    assert made[0] == made[1]
