"""What rules do within the turn: values that are waited for, points, signals; loops, and how they are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import chains
from gateway.chains import START, Chains, longer, runs_away
from gateway.deeds import MOST
from gateway.waits import Waits
from rules.instructions import Act
from rules.rules import DEPTH
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, rule, settle
from twins.exchange import Event
from twins.stimuli import Edit, Updated

WAIT: dict[str, Any] = {"device": "pump", "property": "speed", "value": "t", "within": "10s"}


def asks(**more: Any) -> dict[str, Any]:
    """A rule that sets the pump's speed, and counts in `deaf` how often that was not reported."""
    ask = {"set": WAIT | {"else": [{"assign": {"deaf": "deaf + 1.0"}}, {"write": {"property": "deaf", "value": "t"}}]}}
    inputs = {"t": {"device": "d1", "property": "t"}}
    events = [{"when": "input == 't'", "do": [ask]}]
    return rule(variables={"deaf": 0}, inputs=inputs, states={"A": {"onInput": {"events": events}}}, **more)


def deaf(stage: Stage) -> float:
    (view,) = stage.rules.views()
    return float(view.instances[0].values["deaf"])


def events(stage: Stage) -> list[Event]:
    return [event for told in stage.told for event in told.events]


def records(stage: Stage) -> list[dict[str, Any]]:
    points = [point for batch in stage.disk.batches for point in batch.points if point.series.endswith("/$action")]
    return [json.loads(point.text or "") for point in points]


@in_virtual_time
async def test_what_a_device_reports_in_time_is_waited_for_no_more() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(asks(), "test")
        await stage.report("default/pump", speed="0")
        await stage.report(t="5")
        assert (len(stage.core.waits), len(stage.timers)) == (1, 1)
        await stage.report("default/pump", speed="5")
        assert (len(stage.core.waits), len(stage.timers)) == (0, 0)
        await stage.clock.sleep(60)
        assert (deaf(stage), events(stage)) == (0, [])
        assert [(each["action"], each["outcome"]) for each in records(stage)] == [
            ("set default/pump: speed = 5", "asked")
        ]


@in_virtual_time
async def test_what_is_not_reported_in_time_is_told_and_the_alternative_done() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(asks(), "test")
        await stage.report("default/pump", speed="0")
        await stage.report(t="5")
        await stage.report("default/pump", speed="3")
        await stage.clock.sleep(9)
        assert deaf(stage) == 0
        await stage.clock.sleep(2)
        assert (deaf(stage), stage.core.counts.unreported) == (1, 1)
        (told,) = events(stage)
        assert "default/pump has not reported speed = 5 in time" in told.message
        assert told.cause == "test:1:3"
        assert [point.series for point in stage.batch.points] == [
            "default/rule.d1/deaf",
            "default/rule/$action",
        ]


@in_virtual_time
async def test_a_wait_outlives_a_restart_with_the_time_that_was_left() -> None:
    first = Stage()
    async with first.running():
        await first.registry.apply(asks(), "test")
        await first.report("default/pump", speed="0")
        await first.report(t="5")
        await first.clock.sleep(6)
    found = first.disk.found()
    again = Stage()
    again.twins.restore(found.twins, found.seen)
    again.timers.restore(found.timers)
    again.core.waits.restore(found.timers)
    again.rules.restore(found.rules, found.timers)
    again.registry.restore(found.manifests)
    for _, manifest in again.registry.of("Detector"):
        again.rules.apply(manifest)
    async with again.running():
        await again.clock.sleep(3)
        assert deaf(again) == 0
        await again.clock.sleep(2)
        assert deaf(again) == 1


@in_virtual_time
async def test_what_is_asked_anew_is_waited_for_anew_and_what_others_ask_is_no_failure() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(asks(), "test")
        await stage.report("default/pump", speed="0")
        await stage.report(t="5")
        await stage.clock.sleep(6)
        await stage.report(t="6")
        assert len(stage.timers) == 1
        await stage.clock.sleep(6)
        assert deaf(stage) == 0, "the second has four seconds left"
        now = stage.clock.now()
        await stage.core.ask(Updated("default/pump", "api:1:1", now, {"speed": Edit(desired="9")}, now, origin="edge"))
        await stage.clock.sleep(10)
        assert (deaf(stage), events(stage), len(stage.timers)) == (0, [], 0)


@in_virtual_time
async def test_what_a_device_refuses_leads_to_the_alternative_at_once() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(asks(), "test")
        await stage.report(t="5")
        assert (deaf(stage), len(stage.timers)) == (1, 0)
        assert "can't set default/pump" in events(stage)[0].message
        assert [each["outcome"] for each in records(stage)] == ["refused", "asked"]


@in_virtual_time
async def test_a_point_of_a_rule_is_a_fact_for_another() -> None:
    stage = Stage()
    write = {"write": {"property": "heat", "value": "t * 2.0"}}
    writes = rule("first", states={"A": {"onInput": {"events": [{"do": [write]}]}}})
    alert = {"alert": {"message": "${device}: ${heat}"}}
    reads = rule(
        "second",
        inputs={"heat": {"device": "first.*", "property": "heat"}},
        states={"A": {"onInput": {"events": [{"do": [alert]}]}}},
    )
    async with stage.running():
        await stage.registry.apply(writes, "test")
        await stage.registry.apply(reads, "test")
        await stage.report(t="5")
        assert [event.message for event in events(stage)] == ["default/first.d1: 10"]
        assert stage.batch.rules.keys() == {"default/first/default/d1", "default/second/default/first.d1"}


@in_virtual_time
async def test_a_signal_is_heard_in_the_same_turn_and_one_that_nobody_hears_is_told() -> None:
    stage = Stage()
    to = {"detector": "second", "input": "go", "value": "t > 5.0", "key": "all"}
    speaks = rule("first", states={"A": {"onInput": {"events": [{"do": [{"signal": to}]}]}}})
    go = {"go": {"property": "go", "device": "nobody", "type": "boolean"}}
    turns = {"A": {"onInput": {"transitions": [{"to": "B", "when": "go"}]}}, "B": {}}
    async with stage.running():
        await stage.registry.apply(speaks, "test")
        await stage.report(t="9")
        assert "there is no rule default/second with an input go" in events(stage)[0].message
        await stage.registry.apply(rule("second", key="all", inputs=go, states=turns), "test")
        await stage.report(t="9")
        assert stage.batch.rules.keys() >= {"default/second/all"}
        (second,) = [view for view in stage.rules.views() if view.name == "default/second"]
        assert second.states == {"A": 0, "B": 1}
        assert [each["outcome"] for each in records(stage)] == ["refused", "asked"]


@in_virtual_time
async def test_rules_that_signal_each_other_without_end_are_cut_and_named() -> None:
    stage = Stage()
    inputs = {"t": {"property": "t"}}

    def speaks(name: str, other: str) -> dict[str, Any]:
        signal = {"signal": {"detector": other, "input": "t", "value": "t"}}
        return rule(name, inputs=inputs, states={"A": {"onInput": {"events": [{"do": [signal]}]}}})

    async with stage.running():
        await stage.registry.apply(speaks("ping", "pong"), "test")
        await stage.registry.apply(speaks("pong", "ping"), "test")
        await stage.report(t="1")
        assert stage.core.counts.loops_cut == 2, "both hear the report"
        told = [event for event in events(stage) if event.kind == "rule"]
        assert "cut after 8 rounds" in told[0].message
        assert told[0].detail["chain"].startswith("default/ping → default/pong → default/ping")
        assert len(records(stage)) == 2 * DEPTH


async def obey(stage: Stage, device: str, name: str, pause: float, rounds: int) -> None:
    """A device that reports what is asked of it, a while later, so many times."""
    for _ in range(rounds):
        await stage.clock.sleep(pause)
        twin = stage.twins.get(device)
        assert twin is not None
        held = twin.properties[name]
        if held.desired is None or not held.drifts:
            return
        await stage.report(device, **{name: held.desired.value})


def counter(name: str, device: str, step: str) -> dict[str, Any]:
    """Asks the device for the next number whenever it has reported one."""
    ask = {"set": {"device": "d1", "property": "t", "value": f"t + {step}"}}
    return rule(
        name,
        inputs={"t": {"device": device, "property": "t"}},
        states={"A": {"onInput": {"events": [{"when": "int(t) % 2 == " + ("0" if name == "even" else "1"),
                                              "do": [ask]}]}}},
    )  # fmt: skip


@pytest.mark.parametrize(("pause", "cut"), [(0.001, True), (0.2, False)])
def test_a_loop_over_time_is_cut_with_its_chain_where_it_is_fast(pause: float, cut: bool) -> None:
    @in_virtual_time
    async def play() -> None:
        stage = Stage()
        async with stage.running():
            await stage.registry.apply(counter("even", "d1", "1.0"), "test")
            await stage.registry.apply(counter("odd", "d1", "1.0"), "test")
            await stage.report(t="0")
            await obey(stage, "default/d1", "t", pause, 200)
            await settle()
            told = [event for event in events(stage) if event.kind == "rule"]
            assert bool(told) is cut
            if cut:
                assert stage.core.counts.commands <= chains.RATE + 2
                assert "default/odd → default/even → default/odd" in told[0].message
                assert "for it goes on too fast" in told[0].message
            else:
                assert stage.core.counts.commands == 201

    play()


def test_a_chain_that_rested_begins_anew_and_only_the_last_are_followed() -> None:
    chain = START
    for n in range(40):
        chain = longer(chain, f"r{n}", 0)
    assert runs_away(chain)
    assert len(chain.rules) == chains.NAMED
    rested = longer(chain, "again", 3_000_000)
    assert (rested.rules, rested.level, runs_away(rested)) == (("again",), 1.0, False)
    known = Chains()
    for n in range(chains.KEPT + 5):
        known.note("d", str(n), chain)
    assert known.of("d", "0") is START
    assert known.of("d", str(chains.KEPT)) is chain


def acts(stage: Stage) -> list[Act]:
    return [each for told in stage.told for each in told.decisions if isinstance(each, Act)]


@in_virtual_time
async def test_what_is_done_for_each_value_that_is_not_reported_has_an_id_of_its_own() -> None:
    stage = Stage()
    asks = [
        {"set": WAIT | {"property": name, "else": [{"publish": {"topic": f"deaf/{name}", "payload": "x"}}]}}
        for name in ("speed", "valve")
    ]
    ring = [*asks, {"timer": {"name": "again", "after": "1m"}}]
    events = [{"when": "input == 't' || timeout('again')", "do": ring}]
    inputs = {"t": {"device": "d1", "property": "t"}}
    async with stage.running():
        await stage.registry.apply(rule(inputs=inputs, states={"A": {"onInput": {"events": events}}}), "test")
        await stage.report("default/pump", speed="0", valve="0")
        await stage.report(t="5")
        await stage.clock.sleep(80)
        assert [str(each.task) for each in acts(stage)] == ["publish on deaf/speed", "publish on deaf/valve"] * 2
        assert len({each.id for each in acts(stage)}) == 4


@in_virtual_time
async def test_what_each_signal_of_one_moment_leads_to_has_an_id_of_its_own() -> None:
    stage = Stage()
    signals = [{"signal": {"detector": "second", "input": "n", "value": n, "key": "all"}} for n in ("1.0", "2.0")]
    publish = {"publish": {"topic": "out", "payload": "${n}"}}
    events = [{"when": "input == 'n'", "do": [publish]}]
    second = rule("second", key="all", inputs={"n": {"property": "n"}}, states={"A": {"onInput": {"events": events}}})
    async with stage.running():
        await stage.registry.apply(second, "test")
        await stage.registry.apply(rule("first", states={"A": {"onInput": {"events": [{"do": signals}]}}}), "test")
        await stage.report(t="5")
        one, other = acts(stage)
        assert one.id != other.id


@in_virtual_time
async def test_a_rule_that_feeds_itself_many_times_over_holds_nobody_up_and_is_told_once() -> None:
    stage = Stage()
    again = [{"signal": {"detector": "rule", "input": "n", "value": "1.0"}}] * 16
    inputs = {"t": {"property": "t"}, "n": {"property": "n"}}
    storm = rule(key="all", inputs=inputs, states={"A": {"onInput": {"events": [{"do": again}]}}})
    async with stage.running():
        await stage.registry.apply(storm, "test")
        await stage.report(t="5")
        (view,) = stage.rules.views()
        assert view.evaluations < len(again) * MOST
        loops = {each.message for each in events(stage) if "look for a loop of rules" in each.message}
        assert 1 <= len(loops) <= 2, "once for all that one deed of the input led to"


@in_virtual_time
async def test_a_manifest_that_changes_while_a_device_is_waited_for_has_no_other_alternative_done() -> None:
    stage = Stage()

    def asking(*names: str) -> dict[str, Any]:
        asks = [
            {"set": WAIT | {"property": name, "else": [{"publish": {"topic": f"deaf/{name}", "payload": "x"}}]}}
            for name in names
        ]
        events = [{"when": "input == 't'", "do": asks}]
        inputs = {"t": {"device": "d1", "property": "t"}}
        return rule(inputs=inputs, states={"A": {"onInput": {"events": events}}})

    async with stage.running():
        await stage.registry.apply(asking("speed"), "test")
        await stage.report("default/pump", speed="0", valve="0")
        await stage.report(t="5")
        await stage.registry.apply(asking("valve", "speed"), "test")
        await stage.clock.sleep(11)
        assert acts(stage) == []
        assert "default/pump has not reported speed = 5 in time" in events(stage)[0].message


@in_virtual_time
async def test_what_each_change_of_a_detector_leads_to_in_one_moment_has_an_id_of_its_own() -> None:
    stage = Stage()
    back = {"signal": {"detector": "door", "input": "t", "value": "0.0"}}
    opens = {"onInput": {"transitions": [{"to": "B", "when": "t > 5.0", "do": [back]}]}}
    door = rule("door", states={"A": opens, "B": {"onInput": {"transitions": [{"to": "A", "when": "t < 5.0"}]}}})
    tells = [{"when": "input == 'door'", "do": [{"publish": {"topic": "door", "payload": "${door}"}}]}]
    inputs = {"t": {"property": "none"}, "door": {"detector": "door"}}
    async with stage.running():
        await stage.registry.apply(door, "test")
        await stage.registry.apply(rule("tells", inputs=inputs, states={"A": {"onInput": {"events": tells}}}), "test")
        await stage.report(t="9")
        one, other = acts(stage)
        assert one.id != other.id


@in_virtual_time
async def test_what_a_rule_decided_is_done_also_where_the_gateway_fails_on_the_rest_of_the_input() -> None:
    stage = Stage()
    do = [{"publish": {"topic": "out", "payload": "x"}}, {"set": {"device": "pump", "property": "speed", "value": "t"}}]
    goes = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 4.0", "do": do}]}}, "B": {}}
    async with stage.running():
        await stage.registry.apply(rule(states=goes), "test")
        handle = stage.twins.handle

        def fail(stimulus: Any) -> Any:
            if stimulus.device == "default/pump":
                raise RuntimeError("a fault of ours")
            return handle(stimulus)

        stage.twins.handle = fail  # type: ignore[method-assign]
        assert (await stage.report(t="5")).code == 500
        (view,) = stage.rules.views()
        assert view.states == {"A": 0, "B": 1}
        assert [str(each.task) for each in acts(stage)] == ["publish on out"]
        assert [each.chosen for each in stage.batch.decisions] == ["B"]


def test_a_wait_that_cannot_be_read_keeps_no_gateway_from_starting() -> None:
    waits = Waits()
    waits.restore({"set:default/pump/speed#reported": (1, b"none of ours"), "default/rule/d1#later": (1, b"c")})
    assert len(waits) == 0
