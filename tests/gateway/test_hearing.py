"""What rules hear beside reported values: wishes, each other, webhooks, messages; and windows over a kill."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from devices.mqtt.mosquitto import find_mosquitto
from devices.telemetry.grants import Topics
from gateway.hearing import BODY, Hearing
from rules.rules import DEPTH
from tests.clock import in_virtual_time
from tests.gateway.process import Gateway, until
from tests.gateway.stage import Stage, rule
from tests.gateway.test_mapping import say, started
from twins.errors import Rejected
from twins.stimuli import Edit, Heard, Stimulus, Updated


def alert(when: str, **spec: Any) -> dict[str, Any]:
    event = {"name": "now", "when": when, "do": [{"alert": {"message": "${key}: now"}}]}
    return rule(states={"A": {"onInput": {"events": [event]}}}, **spec)


def told(stage: Stage) -> list[str]:
    return [event.message for each in stage.told for event in each.events]


async def wish(stage: Stage, value: str | None) -> None:
    edits = {"fan": None if value is None else Edit(desired=value)}
    now = stage.clock.now()
    await stage.core.ask(Updated("default/d1", stage.next_cause(), now, edits, now, origin="edge"))


@in_virtual_time
async def test_what_is_asked_of_a_device_is_an_input_of_rules() -> None:
    stage = Stage()
    inputs = {"is": {"property": "fan"}, "asked": {"property": "fan", "of": "desired"}}
    inputs = {"real": inputs["is"], "asked": inputs["asked"]}
    async with stage.running():
        await stage.registry.apply(alert("asked != real", inputs=inputs), "test")
        await stage.report(fan="1")
        await wish(stage, "1")
        assert told(stage) == []
        await wish(stage, "2")
        assert told(stage) == ["default/d1: now"]
        await wish(stage, None)
        assert "asked" not in stage.rules.views()[0].instances[0].values


def flip(name: str, other: str) -> dict[str, Any]:
    """A rule that changes its state whenever the other one does."""
    moves = [{"to": "B" if state == "A" else "A", "when": "input == 'other' || t > 5.0"} for state in "AB"]
    states = {state: {"onInput": {"transitions": [move]}} for state, move in zip("AB", moves, strict=True)}
    return rule(name, inputs={"t": {"property": "t"}, "other": {"detector": other}}, states=states)


@in_virtual_time
async def test_detectors_that_set_each_other_off_are_cut_and_told_of() -> None:
    stage = Stage()
    async with stage.running():
        for each in (flip("one", "two"), flip("two", "one")):
            await stage.registry.apply(each, "test")
        await stage.report(t="9")
        assert stage.core.counts.loops_cut > 0
        assert any("look for a loop of rules" in message for message in told(stage))
        decisions = sum(view.decisions for view in stage.rules.views())
        assert decisions <= 2 * (DEPTH + 2)


@in_virtual_time
async def test_a_detector_that_changes_evaluates_another_in_the_same_batch() -> None:
    stage = Stage()
    door = rule("door", states={"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 5.0"}]}}, "B": {}})
    async with stage.running():
        await stage.registry.apply(door, "test")
        watch = alert("door == 'B'", inputs={"door": {"detector": "door"}})
        await stage.registry.apply(watch, "test")
        await stage.report(t="9")
        assert told(stage) == ["default/d1: now"]
        assert stage.batch.rules.keys() == {"default/door/default/d1", "default/rule/default/d1"}


class Others:
    """Those behind us: they want one topic, and refuse what is no number on it."""

    filters = frozenset({"plant/d1"})

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        if topic not in self.filters:
            return []
        if not payload.isdigit():
            raise Rejected("no number")
        return [self._stage.update(level=payload.decode())]

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        return ()

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        return Topics()


@in_virtual_time
async def test_a_message_is_what_it_is_to_the_others_and_is_heard_too() -> None:
    stage = Stage()
    hearing = Hearing(Others(stage), stage.core, stage.clock, stage.next_cause)
    async with stage.running():
        assert hearing.filters == {"plant/d1"}
        await stage.registry.apply(rule(inputs={"x": {"topic": "plant/+"}}), "test")
        hearing.rehear()
        assert hearing.filters == {"plant/+"}
        update, heard = hearing.read("plant/d1", b"5", "test:1:1", 5)
        assert isinstance(update, Updated)
        assert isinstance(heard, Heard)
        assert heard.body == 5
        (heard,) = hearing.read("plant/d1", b"\xffhot", "test:1:1", 5)
        assert isinstance(heard, Heard)
        assert heard.body == "\ufffdhot"
        assert hearing.read("lamp/d1", b"5", "test:1:1", 5) == []


@in_virtual_time
async def test_a_message_that_is_too_long_for_rules_is_to_the_others_what_it_is() -> None:
    stage = Stage()
    hearing = Hearing(Others(stage), stage.core, stage.clock, stage.next_cause)
    async with stage.running():
        await stage.registry.apply(rule(inputs={"x": {"topic": "plant/+"}}), "test")
        hearing.rehear()
        (update,) = hearing.read("plant/d1", b"5" * (BODY + 1), "test:1:1", 5)
        assert isinstance(update, Updated)
        with pytest.raises(Rejected, match="rules hear"):
            hearing.read("plant/d2", b"5" * (BODY + 1), "test:1:1", 5)


@pytest.mark.parametrize(
    ("name", "body", "code", "reason"),
    [
        ("order", b"{}", 404, "no rule has a webhook 'order' as an input: did you mean orders"),
        ("orders", b"[1]", 400, "no JSON object"),
        ("orders", b"{", 400, "no JSON"),
        ("orders", b'{"a": NaN}', 400, "no JSON"),
        ("orders", b'{"a": "\xff"}', 400, "no JSON"),
        ("orders", b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "no JSON"),
        ("orders", b'{"a": "' + b"x" * BODY + b'"}', 413, "65536 are allowed"),
    ],
)
@in_virtual_time
async def test_a_webhook_that_nobody_can_use_is_refused(name: str, body: bytes, code: int, reason: str) -> None:
    stage = Stage()
    hearing = Hearing(Others(stage), stage.core, stage.clock, stage.next_cause)
    async with stage.running():
        await stage.registry.apply(rule(inputs={"x": {"webhook": "orders", "value": "a"}}), "test")
        with pytest.raises(Rejected) as refused:
            await hearing.post(name, body)
        assert (refused.value.code or 400) == code
        assert reason in refused.value.reason


RULES = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: mean}
spec:
  inputs: {t: {property: t}}
  initial: Low
  states:
    Low:
      onInput:
        transitions: [{to: High, when: "count(t, '1h') == 4.0 && avg(t, '1h') > 20.0 && previous(t) == 30.0"}]
    High: {}
---
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: shop}
spec:
  key: shop
  inputs:
    count: {webhook: orders, value: "lines[0].count"}
    press: {topic: "shop/{device}/press", value: n}
    mean: {topic: "shop/mean"}
  initial: Idle
  states:
    Idle:
      onInput:
        transitions: [{to: Busy, when: "count > 2.0 && press == 1.0 && mean == 0.5"}]
    Busy: {}
"""


def states(gateway: Gateway) -> dict[str, Any]:
    told = gateway.ask("GET", "/api/v1/rules")[1]
    return {rule["name"]: {name: count for name, count in rule["states"].items() if count} for rule in told}


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_webhooks_messages_and_windows_reach_rules_also_over_a_kill(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        port = started(gateway)
        gateway.apply(RULES)
        status, answer = gateway.ask("POST", "/api/v1/inputs/orders", {"lines": [{"count": 3}]})
        assert (status, list(answer)) == (200, ["cause"])
        assert gateway.ask("POST", "/api/v1/inputs/none", {})[0] == 404
        say(port, ("shop/d1/press", {"n": 1}), ("shop/mean", 0.5))
        until(lambda: states(gateway).get("default/shop") == {"Busy": 1}, what=lambda: gateway.output)
        for value in (10, 20, 30):
            say(port, ("gemelo/telemetry/default/d1", {"t": value}))
        sql = "SELECT count(*) AS n FROM points WHERE property = 't'"
        until(lambda: gateway.ask("POST", "/api/v1/sql", {"query": sql})[1]["rows"] == [[3]])
        gateway.signal(signal.SIGKILL)
        gateway.wait()
        port = started(gateway)
        assert states(gateway)["default/mean"] == {"Low": 1}
        say(port, ("gemelo/telemetry/default/d1", {"t": 40}))
        until(lambda: states(gateway)["default/mean"] == {"High": 1}, what=lambda: gateway.output)


@in_virtual_time
async def test_a_name_of_any_length_or_with_more_than_one_line_is_no_instance() -> None:
    stage = Stage()
    hearing = Hearing(Others(stage), stage.core, stage.clock, stage.next_cause)
    async with stage.running():
        await stage.registry.apply(rule(inputs={"x": {"webhook": "orders", "value": "count"}}), "test")
        for name in ("d1", "a" * 10_000, "d1\\n"):
            await hearing.post("orders", b'{"count": 5, "device": "%s"}' % name.encode())
        (view,) = stage.rules.views()
        assert [instance.key for instance in view.instances] == ["default/d1"]
