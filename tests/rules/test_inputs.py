"""Every kind of input: what of the world it is, and which instance sees it."""

from __future__ import annotations

from typing import Any

import pytest

from rules import lint
from rules.manifest.input import Input
from twins.errors import Rejected
from twins.instructions import Fact
from twins.stimuli import Heard


def told_when(detector: Any, when: str, **spec: Any) -> Any:
    event = {"name": "now", "when": when, "do": [{"alert": {"message": "${device}: now"}}]}
    return detector(states={"A": {"onInput": {"events": [event]}}}, **spec)


def heard(site: Any, source: Any, name: str, body: object) -> list[Any]:
    site.inputs += 1
    stimulus = Heard("", f"test:1:{site.inputs}", site.now, source, name, body)
    out = []
    for fact in site.rules.facts(stimulus):
        out += site.rules.handle(fact, site.now) + site.rules.changes()
    return out


def seen(site: Any) -> dict[str, dict[str, Any]]:
    return {each.key: each.values for view in site.rules.views() for each in view.instances}


def test_a_desired_value_is_another_input_than_the_reported_one(site: Any, detector: Any, fact: Any) -> None:
    inputs = {"is": {"property": "speed"}, "asked": {"property": "speed", "of": "desired"}}
    with pytest.raises(Rejected, match=r"spec\.states"):
        site.apply(told_when(detector, "asked > speed", inputs=inputs))
    site.apply(detector(inputs={"real": inputs["is"], "asked": inputs["asked"]}))
    assert site.rules.watches("speed")
    assert site.rules.watches("speed", "desired")
    site.fact("pump-1", "speed", 5)
    wish = Fact("default/pump-1", "test:1:9", "speed", "80", 80.0, 0, 0, source="desired")
    site.rules.handle(wish, 0)
    assert seen(site) == {"default/pump-1": {"real": 5.0, "asked": 80.0}}


@pytest.mark.parametrize(
    ("given", "series"),
    [
        ({"property": "temperature", "query": "minute", "result": "mean"}, "temperature.minute.mean"),
        ({"query": "minute", "result": "p95"}, "minute.p95"),
        ({"property": "temperature", "query": "rows"}, "temperature.rows"),
        ({"property": "temperature.minute.mean"}, "temperature.minute.mean"),
        ({"property": "temperature.anomaly"}, "temperature.anomaly"),
    ],
)
def test_a_querys_result_is_called_as_its_series_is(
    site: Any, detector: Any, given: dict[str, str], series: str
) -> None:
    site.apply(detector(inputs={"x": given}))
    site.fact("t-1", series, 7)
    assert seen(site) == {"default/t-1": {"x": 7.0}}


def test_a_field_of_a_webhook_is_an_input(site: Any, detector: Any, look: Any) -> None:
    inputs = {
        "count": {"webhook": "orders", "value": "order.lines[1].count"},
        "urgent": {"webhook": "orders", "value": "urgent", "type": "boolean"},
    }
    site.apply(told_when(detector, "count > 2.0 && urgent && input == 'urgent'", inputs=inputs, key="shop"))
    assert site.rules.webhooks == {"orders"}
    body = {"order": {"lines": [{}, {"count": 3}]}, "urgent": True}
    assert look.told(heard(site, "webhook", "orders", body)) == [": now"]
    assert seen(site) == {"shop": {"count": 3.0, "urgent": True}}
    assert heard(site, "webhook", "others", body) == []
    assert heard(site, "webhook", "orders", {"order": {"lines": "none"}, "urgent": None}) == []


def test_a_webhook_that_names_a_device_is_of_that_instance(site: Any, detector: Any) -> None:
    site.apply(detector(inputs={"t": {"webhook": "gauge", "value": "t", "device": "t-*"}}))
    for device in ("t-1", "default/t-2", "other/t-3", "x", 5, None):
        heard(site, "webhook", "gauge", {"t": 1, "device": device})
    assert seen(site).keys() == {"default/t-1", "default/t-2"}


def test_a_message_on_a_topic_is_an_input_of_the_device_that_the_topic_names(site: Any, detector: Any) -> None:
    inputs = {
        "t": {"topic": "plant/{device}/state", "value": "a.t"},
        "all": {"topic": "plant/+/state", "value": "n"},
        "plain": {"topic": "lamp/#", "type": "string"},
    }
    site.apply(detector(inputs=inputs, key='${device == "" ? "all" : device}'))
    assert site.rules.filters == {"plant/+/state", "lamp/#"}
    heard(site, "topic", "plant/d1/state", {"a": {"t": 4}, "n": 9})
    heard(site, "topic", "plant/d1/other", {"a": {"t": 5}})
    heard(site, "topic", "lamp/x/y", "on")
    assert seen(site) == {"default/d1": {"t": 4.0}, "all": {"all": 9.0, "plain": "on"}}


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        ("number", "4.5", 4.5),
        ("number", 10**400, None),
        ("number", True, None),
        ("number", {"a": 1}, None),
        ("boolean", False, False),
        ("string", 5, "5"),
        ("string", [1], "[1]"),
        ("string", "x" * 257, None),
    ],
)
def test_json_is_read_by_the_inputs_type(site: Any, detector: Any, type_: str, value: object, read: object) -> None:
    site.apply(detector(inputs={"t": {"webhook": "w", "value": "v", "type": type_}}, key="one"))
    heard(site, "webhook", "w", {"v": value})
    assert seen(site) == {"one": {} if read is None else {"t": read}}


def test_a_text_that_is_longer_than_declared_is_left_out_and_told(site: Any, detector: Any) -> None:
    inputs = {"t": {"property": "t", "type": "string", "longest": 4}}
    site.apply(told_when(detector, "t == 'long'", inputs=inputs))
    site.fact("t-1", "t", "long")
    site.fact("t-1", "t", "longer")
    view = site.rules.views()[0]
    assert (view.decisions, view.faults) == (1, 1)
    (verdict,) = site.rules.explain("default/rule")[-1].verdicts
    assert verdict.fault == "t came as 'longer', which cannot be read by its type"


def test_what_a_topic_said_is_forgotten_with_its_rule(site: Any, detector: Any) -> None:
    site.apply(detector(inputs={"t": {"topic": "a/b"}, "w": {"webhook": "w", "value": "v"}}))
    site.rules.remove("default/rule")
    assert not site.rules.filters
    assert not site.rules.webhooks


class Chain:
    """A door and an alarm that looks at it, turn by turn as the sequencer does."""

    def __init__(self, site: Any, detector: Any) -> None:
        self.site = site
        door = detector(
            states={
                "Shut": {"onInput": {"transitions": [{"to": "Open", "when": "t > 0.0"}]}},
                "Open": {"onInput": {"transitions": [{"to": "Shut", "when": "t <= 0.0"}]}},
            },
            initial="Shut",
        )
        inputs = {"door": {"detector": "rule"}, "armed": {"property": "armed", "type": "boolean"}}
        alarm = told_when(detector, "armed && door == 'Open'", inputs=inputs).metadata
        watch = told_when(detector, "armed && door == 'Open'", inputs=inputs)
        self.alarm = type(watch)(metadata=type(alarm)(name="alarm"), spec=watch.spec)
        self.door = door

    def fact(self, name: str, value: Any) -> list[str]:
        out = self.site.fact("t-1", name, value)
        for each in list(out):
            if type(each).__name__ == "Decided":
                out += self.site.rules.follow(each, self.site.now) + self.site.rules.changes()
        return [each.event.message for each in out if type(each).__name__ == "Raise"]


def test_the_state_of_another_detector_is_an_input_of_the_same_key(site: Any, detector: Any) -> None:
    chain = Chain(site, detector)
    site.apply(chain.door, chain.alarm)
    assert site.rules.is_followed("default/rule")
    assert chain.fact("armed", "true") == []
    assert chain.fact("t", 1) == ["default/t-1: now"]
    assert chain.fact("t", 2) == []
    assert chain.fact("t", 0) == []


def test_another_detectors_state_is_seen_as_it_is_now_also_after_a_restart(site: Any, detector: Any) -> None:
    chain = Chain(site, detector)
    site.apply(chain.door)
    site.fact("t-1", "t", 1)
    site.apply(chain.alarm)
    assert chain.fact("armed", "true") == ["default/t-1: now"]
    site.restart(chain.alarm, chain.door)
    assert chain.fact("armed", "true") == ["default/t-1: now"]
    site.rules.remove("default/rule")
    assert chain.fact("armed", "true") == []


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        ({}, "spec.inputs.x", "one of property, query, detector, webhook, topic is needed, given: none"),
        ({"property": "t", "detector": "d"}, "spec.inputs.x", "given: property, detector"),
        ({"property": "t", "value": "a"}, "spec.inputs.x.value", "only webhooks and topics carry JSON"),
        ({"property": "t", "result": "mean"}, "spec.inputs.x.result", "name it with query"),
        ({"query": "q", "of": "desired"}, "spec.inputs.x.of", "only a property has a desired side"),
        ({"webhook": "w"}, "spec.inputs.x.value", "missing"),
        ({"topic": "$SYS/#"}, "spec.inputs.x.topic", "belong to the twin protocol"),
        ({"topic": "gemelo/telemetry/#"}, "spec.inputs.x.topic", "the gateway's own topics"),
        ({"topic": "a/#/b"}, "spec.inputs.x.topic", "# stands at the end"),
        ({"detector": "rule"}, "spec.inputs.x.detector", "is this detector itself"),
    ],
)
def test_an_input_that_is_not_one_thing_is_refused_with_its_path(
    detector: Any, given: dict[str, str], path: str, reason: str
) -> None:
    (fault,) = lint.faults(detector(inputs={"x": given}))
    assert fault.path == path
    assert reason in fault.reason


@pytest.mark.parametrize("value", ["", "a..b", "a[", "a[x]", ".".join("a" * 40), "a.*.b"])
def test_a_path_that_leads_nowhere_is_refused(detector: Any, value: str) -> None:
    with pytest.raises(Rejected, match=r"spec\.inputs\.x\.value"):
        lint.check(detector(inputs={"x": {"webhook": "w", "value": value}}))


def test_a_detectors_state_is_a_text_for_the_types(detector: Any) -> None:
    assert Input(detector="d").type == "string"
    (fault,) = lint.faults(told_when(detector, "x > 1.0", inputs={"x": {"detector": "d"}}))
    assert fault.path.endswith("events[0].when")
