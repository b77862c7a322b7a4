"""What the page is told by a real core: changes by revision, decisions, costs, silence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from gateway.alarms.board import Board
from gateway.console import Console, News, Portraits
from gateway.presence import Presence
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, rule, settle
from twins.exchange import Result
from twins.liveness import Limits
from twins.stimuli import Applied, Edit, Inferred, Joined, Updated
from web.revisions import Revisions
from web.views import CloudView, CostView, Health, NodeView

ALERT = {"alert": {"message": "t is ${t}", "severity": "warning"}}
UP = {"name": "up", "to": "B", "when": "t > 5.0", "do": [ALERT]}
STATES: dict[str, Any] = {"A": {"onInput": {"transitions": [UP]}}, "B": {}}


class Trends:
    """A store in which one device has a past."""

    def recent(self, series: str, count: int) -> list[tuple[int, float]]:
        numbers = {"default/d1/on": [(1, 1.0), (2, 0.0)], "default/d1/t": [(1, 1234567.25), (3, 2.0)]}
        return numbers.get(series, [])[-count:]

    def texts(self, series: str, count: int) -> list[tuple[int, str]]:
        return [(2, "n/a")] if series == "default/d1/t" else []


@asynccontextmanager
async def showing() -> Any:
    stage = Stage()
    revisions = Revisions()
    portraits = Portraits(
        Trends(), Limits(), unit=lambda device, name: "", picture=lambda _: 0, conditions=lambda _: ()
    )
    console = Console(
        NodeView("edge-1"), stage.twins, stage.rules, portraits, revisions, News(stage.rules, revisions),
        Board(stage.rules.alarms), stage.clock,
        cameras=tuple, cloud=CloudView, health=lambda: Health(live=True, ready=True), hints=tuple, queries=(),
    )  # fmt: skip
    stage.core.listen(console)
    async with stage.running():
        yield stage, console


def seen(stage: Stage, infer_us: int) -> Inferred:
    now = stage.clock.now()
    result = Result("default/cam", "m", "1", 1, now, (), queue_us=1000, infer_us=infer_us, cause="c:1:1")
    return Inferred("default/cam", stage.next_cause(), now, result, {"count": "1"}, now)


@in_virtual_time
async def test_a_rule_is_shown_with_its_counts_and_the_last_decision_of_each_machine() -> None:
    async with showing() as (stage, console):
        await stage.registry.apply(rule(states=STATES), "test")
        await stage.report("default/d1", t="1")
        await stage.report("default/d2", t="9")
        (view,) = console.snapshot().rules
        assert view.states == {"A": 1, "B": 1}
        quiet, moved = view.instances
        assert (quiet.decision, quiet.why, quiet.decided) == ("", "", 0)
        assert moved.decision == "up: A → B · told: t is 9"
        assert moved.why.splitlines()[1:] == ["✓ t > 5.0: 9 > 5.0", "→ up: A → B · told: t is 9"]
        await stage.report("default/d2", t="7")
        assert console.snapshot().rules[0].instances[1] == moved, "what decides nothing changes no decision"


@in_virtual_time
async def test_an_event_tells_its_reason_and_is_new_once() -> None:
    async with showing() as (stage, console):
        await stage.registry.apply(rule(states=STATES), "test")
        before = console.snapshot().revision
        await stage.report("default/d2", t="9")
        change = console.snapshot(before)
        (event,) = change.events
        assert (event.message, event.severity) == ("t is 9", "warning")
        assert "✓ t > 5.0" in event.why
        assert console.snapshot(change.revision).events == ()


@in_virtual_time
async def test_a_diagram_is_drawn_once_for_each_version_of_a_rule() -> None:
    async with showing() as (stage, console):
        await stage.registry.apply(rule(states=STATES), "test")
        first, again = console.snapshot().rules[0].svg, console.snapshot().rules[0].svg
        assert first is again
        await stage.registry.apply(
            rule(states=STATES | {"C": {}, "B": {"onInput": {"transitions": [{"to": "C"}]}}}), "t"
        )
        assert 'data-state="C"' in console.snapshot().rules[0].svg
        before = console.snapshot().revision
        await stage.core.ask(Applied("", stage.next_cause(), stage.clock.now(), "Detector", "default/rule", None))
        change = console.snapshot(before)
        assert change.members is not None
        assert change.members.rules == ()


@in_virtual_time
async def test_costs_of_pictures_are_averaged() -> None:
    async with showing() as (stage, console):
        await stage.core.ask(seen(stage, 10_000))
        assert console.device("default/cam").cost == CostView(queue_ms=1.0, infer_ms=10.0)
        await stage.core.ask(seen(stage, 20_000))
        assert console.device("default/cam").cost == CostView(queue_ms=1.0, infer_ms=11.0)


@in_virtual_time
async def test_a_device_that_falls_silent_is_told_though_nothing_comes() -> None:
    async with showing() as (stage, console), asyncio.TaskGroup() as group:
        presence = Presence(stage.twins, stage.core, stage.clock, stage.next_cause, Limits(interval=20.0))
        stage.core.listen(presence)
        watching = group.create_task(presence.run())
        await stage.core.ask(Joined("default/d2", stage.next_cause(), stage.clock.now(), {}))
        await stage.report("default/d1", t="1")
        first = console.snapshot()
        assert [(d.state, d.reason) for d in first.devices] == [("unknown", "never heard"), ("online", "")]
        await stage.clock.sleep(59)
        assert console.snapshot(first.revision).devices == ()
        await stage.clock.sleep(2)
        await settle()
        change = console.snapshot(first.revision)
        assert [device.state for device in change.devices] == ["unknown"]
        assert change.devices[0].reason == "silent for 60 s; it is assumed to speak every 20 s"
        assert console.snapshot(change.revision).devices == ()
        watching.cancel()


@in_virtual_time
async def test_the_past_is_told_in_order_and_as_the_device_wrote_it() -> None:
    async with showing() as (stage, console):
        now = stage.clock.now()
        edits = {"on": Edit(reported="true", kind="boolean"), "t": Edit(reported="1")}
        await stage.core.ask(Updated("default/d1", "c", now, edits, now))
        assert [(p.at, p.value) for p in await console.history("default/d1", "on", 9)] == [(1, "true"), (2, "false")]
        past = await console.history("default/d1", "t", 9)
        assert [(p.at, p.value) for p in past] == [(1, "1234567.25"), (2, "n/a"), (3, "2")]
        assert [p.value for p in await console.history("default/d1", "t", 1)] == ["2"]


@in_virtual_time
async def test_a_device_shows_each_sides_versions_and_the_conditions_it_is_under() -> None:
    async with showing() as (stage, console):
        await stage.report("default/d1", t="1")
        await stage.report("default/d1", t="2")
        (t,) = console.device("default/d1").properties
        assert (t.reported_version, t.desired_version, t.synced) == ((2, 0), (0, 0), False)
        assert console.device("default/d1").conditions == ()
