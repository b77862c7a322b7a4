"""A rule in quarantine: what people see of it, and that to apply it lets it out."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.console.rulebook import Rulebook
from gateway.operations import Operations
from gateway.terminal.listing import listing
from rules.rules import Rules
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, body, rule


class Gauge:
    """Every look at it is so many seconds later than the one before."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def row(stage: Stage) -> tuple[Any, ...]:
    (view,) = Rulebook(stage.core.rules).views()
    return listing("Detector").wide(msgspec.to_builtins(view))


@in_virtual_time
async def test_a_slow_rule_is_told_of_shown_and_let_out_by_whoever_applies_it() -> None:
    stage, gauge = Stage(), Gauge()
    stage.core.rules = Rules(gauge=gauge)
    operations = Operations(stage.core, stage.registry, stage.clock, stage.next_cause)
    async with stage.running():
        assert await operations.apply(body(rule())) == ["detector/default/rule created"]
        assert await operations.apply(body(rule())) == ["detector/default/rule unchanged"]
        gauge.step = 0.05
        for _ in range(5):
            await stage.report(t="9")
        (event,) = [event for told in stage.told for event in told.events]
        assert (event.kind, event.object, event.severity) == ("rule", "default/rule", "error")
        assert "is in quarantine" in event.message
        assert stage.core.rules.skipped == 2
        (shown,) = await operations.objects("Detector")
        assert shown["status"]["conditions"][0]["reason"] == "Quarantined"
        assert row(stage)[2] == "Quarantined"
        assert "take too long" in row(stage)[-1]
        gauge.step = 0.0
        assert await operations.apply(body(rule())) == ["detector/default/rule configured"]
        assert row(stage)[2] == ""
        (shown,) = await operations.objects("Detector")
        assert "status" not in shown


ALARM = {
    "apiVersion": "gemelo.dev/v1alpha1",
    "kind": "Alarm",
    "metadata": {"name": "hot"},
    "spec": {
        "inputs": {"t": {"property": "t"}},
        "condition": {"input": "t", "operator": ">", "threshold": 80},
        "message": "${device} is hot",
    },
}


@in_virtual_time
async def test_a_slow_alarm_is_shown_and_let_out_by_whoever_applies_it() -> None:
    stage, gauge = Stage(), Gauge()
    stage.core.rules = Rules(gauge=gauge)
    operations = Operations(stage.core, stage.registry, stage.clock, stage.next_cause)
    async with stage.running():
        await operations.apply(body(ALARM))
        gauge.step = 0.05
        for _ in range(5):
            await stage.report(t="9")
        assert stage.core.rules.quarantined == 1
        (shown,) = await operations.objects("Alarm")
        assert shown["status"]["conditions"][0]["reason"] == "Quarantined"
        gauge.step = 0.0
        assert await operations.apply(body(ALARM)) == ["alarm/default/hot configured"]
        assert stage.core.rules.quarantined == 0
        assert await operations.apply(body(ALARM)) == ["alarm/default/hot unchanged"]


@in_virtual_time
async def test_what_a_device_does_not_report_has_its_alternative_done_once_the_rule_is_let_out() -> None:
    stage, gauge = Stage(), Gauge()
    stage.core.rules = Rules(gauge=gauge)
    operations = Operations(stage.core, stage.registry, stage.clock, stage.next_cause)
    ask = {
        "device": "pump",
        "property": "speed",
        "value": "t",
        "within": "10s",
        "else": [{"alert": {"message": "deaf"}}],
    }
    events = [{"when": "input == 't' && t > 4.0", "do": [{"set": ask}]}]
    asks = rule(inputs={"t": {"device": "d1", "property": "t"}}, states={"A": {"onInput": {"events": events}}})
    async with stage.running():
        await operations.apply(body(asks))
        await stage.report("default/pump", speed="0")
        await stage.report(t="5")
        gauge.step = 0.05
        for _ in range(3):
            await stage.report(t="1")
        assert stage.core.rules.quarantined == 1
        await stage.clock.sleep(11)
        gauge.step = 0.0
        await operations.apply(body(asks))
        await stage.clock.sleep(120)
        assert "deaf" in [event.message for told in stage.told for event in told.events]
        assert len(stage.core.waits) == 0
