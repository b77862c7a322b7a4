"""What rules want done, as instructions; limits, dry runs, ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules import lint
from rules.explain import Effect
from rules.instance import revive
from rules.instructions import Act, Command, Held, Keep, Raise, Rehearsed, Signal, Write
from rules.manifest.action import ACTIONS, INWARD
from rules.tasks import Call, Clip, Infer, Notify, Post, Publish, Upload
from twins.errors import Rejected

MINUTE = 60_000_000


def doing(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"A": {"onInput": {"events": [{"name": "go", "do": list(actions)}]}}}


TASKS = [
    (
        {"publish": {"topic": "lamp/${device}", "payload": "${t}", "qos": 0, "retain": True}},
        Publish("lamp/default/t-1", "2", 0, True),
    ),
    (
        {"call": {"device": "pump", "method": "run", "arguments": {"speed": "t * 2.0"}}},
        Call("default/pump", "run", {"speed": "4"}),
    ),
    (
        {
            "webhook": {
                "url": "https://example.com/x",
                "method": "PUT",
                "headers": {"X-Plant": "7"},
                "body": "${t}",
                "signature": {"keyFile": "/etc/key"},
                "caFile": "/etc/ca",
                "within": "1m",
            }
        },
        Post("https://example.com/x", "PUT", {"X-Plant": "7"}, "2", MINUTE, "/etc/key", "X-Signature-256", "/etc/ca"),
    ),
    (
        {"notify": {"channel": "night", "severity": "error", "message": "${t} of ${missing}"}},
        Notify("default/night", "error", "default/rule: A", "2 of ?"),
    ),
    ({"clip": {"camera": "cam", "before": "5s", "after": 2}}, Clip("default/cam", -5_000_000, 2_000_000)),
    ({"upload": {"name": "other/s3", "before": "1m"}}, Upload("other/s3", -MINUTE, 0)),
    ({"infer": {"camera": "${device}", "model": "persons"}}, Infer("default/t-1", "persons")),
]


@pytest.mark.parametrize(("action", "task"), TASKS, ids=[next(iter(action)) for action, _ in TASKS])
def test_an_action_becomes_a_task_with_rule_cause_and_id(site, detector, action, task):
    inputs = {"t": {"device": "t-*", "property": "t"}, "missing": {"property": "u"}}
    site.apply(detector(inputs=inputs, states=doing(action)))
    (act,) = [each for each in site.fact("t-1", "t", 2) if isinstance(each, Act)]
    assert (act.task, act.rule, act.cause, act.at) == (task, "default/rule/default/t-1", "test:1:1", 0)
    assert len(act.id) == 24
    assert Effect("do", value=str(task), id=act.id) in site.rules.explain("default/rule")[-1].effects


@pytest.mark.parametrize("action", [{"publish": {"topic": "x"}}, {"webhook": {"url": "http://x"}}])
def test_what_is_sent_is_all_that_is_known_where_nothing_else_is_said(site, detector, action):
    site.apply(detector(variables={"n": 1}, states=doing(action)))
    (act,) = [each for each in site.fact("t-1", "t", 2) if isinstance(each, Act)]
    said = json.loads(act.task.payload if isinstance(act.task, Publish) else act.task.body)
    assert said == {
        "rule": "default/rule",
        "instance": "default/t-1",
        "state": "A",
        "values": {"n": 1, "t": 2},
        "device": "default/t-1",
        "trigger": "t",
        "cause": "test:1:1",
        "at": 0,
    }


@pytest.mark.parametrize("topic", ["${input}+", "a/${'#'}", "${''}", "${'$SYS'}/x"])
def test_a_topic_that_is_none_is_not_published_on_and_noted(site, detector, topic):
    site.apply(detector(states=doing({"publish": {"topic": topic}})))
    assert not [each for each in site.fact("t-1", "t", 2) if isinstance(each, Act)]
    assert "is no topic to publish on" in site.rules.explain("default/rule")[-1].verdicts[-1].fault


@pytest.mark.parametrize(
    ("key", "device"),
    [("device", "default/rule.t-1"), ("all", "default/rule.all"), ("x/${device}", "default/rule.x.default.t-1")],
)
def test_a_point_is_of_the_rules_own_device(site, detector, key, device):
    site.apply(detector(key=key, states=doing({"write": {"property": "heat", "value": "t * 2.0"}})))
    (write,) = [each for each in site.fact("t-1", "t", 2) if isinstance(each, Write)]
    assert (write.device, write.property, write.value) == (device, "heat", 4.0)


def test_a_signal_is_an_input_of_another_rule_or_instance(site, detector):
    site.apply(detector(states=doing({"signal": {"detector": "rule", "key": "x-${t}", "input": "t", "value": "t"}})))
    (signal,) = [each for each in site.fact("t-1", "t", 2) if isinstance(each, Signal)]
    assert (signal.detector, signal.key, signal.input, signal.value) == ("default/rule", "x-2", "t", 2.0)
    decided = site.rules.signal(signal, "default/t-1", 5)
    assert [each.rule for each in decided if isinstance(each, Signal)] == ["default/rule/x-2"]
    for wrong in (
        Signal("1", "r", "c", "default/none", "x", "t", 1.0),
        Signal("1", "r", "c", "default/rule", "x", "none", 1.0),
        Signal("1", "r", "c", "default/rule", "x", "t", "text"),
    ):
        with pytest.raises(Rejected):
            site.rules.signal(wrong, "", 5)


def test_the_same_decision_has_the_same_ids_and_every_other_has_others(make_site, detector):
    seen = []
    for _ in range(2):
        site = make_site().apply(detector(states=doing({"publish": {"topic": "x"}}, {"publish": {"topic": "x"}})))
        acts = [each for device in ("t-1", "t-2", "t-1") for each in site.fact(device, "t", 1)]
        seen.append([each.id for each in acts if isinstance(each, Act)])
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 6


def test_two_facts_of_one_name_and_one_cause_are_two_decisions(site, detector, fact):
    site.apply(detector(states=doing({"publish": {"topic": "x"}})))
    decided = [each for at in (1, 2) for each in site.rules.handle(fact("default/t-1", "t", 1, "c", at), 5)]
    assert len({each.id for each in decided if isinstance(each, Act)}) == 2


def test_an_action_beyond_its_limit_is_held_back_and_told_once(site, detector, look):
    site.apply(detector(states=doing({"publish": {"topic": "x"}, "limit": {"times": 2, "per": "1m"}})))
    out = [each for _ in range(5) for each in site.fact("t-1", "t", 1)]
    assert [type(each) for each in out if isinstance(each, (Act, Held))] == [Act, Act, Held, Held, Held]
    (told,) = look.told(out)
    assert "default/rule/default/t-1 holds back: publish" in told
    assert [type(each) for each in site.fact("t-2", "t", 1) if isinstance(each, (Act, Held))] == [Act]
    (spared,) = [each for each in site.rules.explain("default/rule", "default/t-1")[-1].effects if each.kind == "spare"]
    assert spared.value.startswith("held back: publish")
    site.wait(30)
    out = [each for _ in range(2) for each in site.fact("t-1", "t", 1)]
    assert [type(each) for each in out if isinstance(each, (Act, Held))] == [Act, Held]


def test_a_limit_holds_over_a_restart_and_a_clock_that_went_back(make_site, detector):
    rule = detector(states=doing({"publish": {"topic": "x"}, "limit": {"times": 1, "per": "1m"}}))
    site = make_site(start=100 * MINUTE).apply(rule)
    assert [each for each in site.fact("t-1", "t", 1) if isinstance(each, Act)]
    again = make_site(start=100 * MINUTE + 1)
    again.rules.restore(site.states, {})
    again.apply(rule)
    assert not [each for each in again.fact("t-1", "t", 1) if isinstance(each, Act)]
    again.now = 10 * MINUTE
    assert not [each for each in again.fact("t-1", "t", 1) if isinstance(each, Act)]
    again.wait(60)
    assert [each for each in again.fact("t-1", "t", 1) if isinstance(each, Act)]


def test_an_instance_of_before_there_were_limits_can_be_read(site, detector):
    site.apply(detector())
    (keep,) = [each for each in site.fact("t-1", "t", 1) if isinstance(each, Keep)]
    assert keep.body[0] == 0x96, "an array of six"
    before = b"\x94" + keep.body[1:-2]
    record = revive("default/t-1", before)
    assert record is not None
    assert (record.values, record.limits) == ({"t": 1.0}, None)


OUTWARD = [
    {"set": {"device": "pump", "property": "speed", "value": "t"}},
    {"alert": {"message": "x"}},
    {"write": {"property": "p", "value": "t"}},
    {"signal": {"detector": "rule", "input": "t", "value": "t"}},
    *(action for action, _ in TASKS if "notify" not in action),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("action", OUTWARD, ids=[next(iter(action)) for action in OUTWARD])
def test_a_dry_run_says_what_it_would_do_and_does_nothing(site, detector, look, action, whole):
    given = {"dryRun": True, "states": doing(action)} if whole else {"states": doing(action | {"dryRun": True})}
    out = site.apply(detector(**given)).fact("t-1", "t", 2)
    assert not [each for each in out if isinstance(each, (Act, Command, Write, Signal))]
    (rehearsed,) = [each for each in out if isinstance(each, Rehearsed)]
    (told,) = look.told(out)
    assert told.startswith("dry run of default/rule/default/t-1: ")
    assert any(each.value.startswith("dry run: ") for each in site.rules.explain("default/rule")[-1].effects)
    assert isinstance(rehearsed.instruction, (Act, Command, Write, Signal, Raise))


def test_a_rule_on_a_dry_run_changes_its_state_all_the_same(site, detector):
    states = {
        "A": {"onInput": {"transitions": [{"to": "B", "do": [{"assign": {"n": "n + 1.0"}}, *OUTWARD[:1]]}]}},
        "B": {},
    }
    site.apply(detector(dryRun=True, variables={"n": 0}, states=states)).fact("t-1", "t", 1)
    (instance,) = site.rules.views()[0].instances
    assert (instance.state, instance.values["n"]) == ("B", 1)


def test_what_is_not_reported_leads_to_the_alternative_and_then_to_an_evaluation(site, detector):
    ask = {
        "set": {
            "device": "pump",
            "property": "speed",
            "value": "t",
            "within": "10s",
            "else": [{"assign": {"deaf": "true"}}, {"publish": {"topic": "deaf"}}],
        }
    }
    states = {
        "A": {"onInput": {"events": [{"when": "!deaf", "do": [ask]}], "transitions": [{"to": "B", "when": "deaf"}]}},
        "B": {},
    }
    site.apply(detector(variables={"deaf": False}, states=states))
    (asked,) = [each for each in site.fact("t-1", "t", 2) if isinstance(each, Command)]
    assert (asked.within, asked.label) == (10_000_000, "spec.states.A.onInput.events[0].do[0]")
    out = site.rules.fail(asked.rule, asked.label, f"{asked.device}/{next(iter(asked.values))}", asked.cause, 7)
    assert [each.task.topic for each in out if isinstance(each, Act)] == ["deaf"]
    (instance,) = site.rules.views()[0].instances
    assert (instance.state, instance.values["deaf"]) == ("B", True)
    assert site.rules.fail("default/gone/x", asked.label, f"{asked.device}/{next(iter(asked.values))}", "c", 7) == []


WRONG = [
    ({"limit": {"times": 5}}, "is needed, given: none"),
    ({"assign": {"n": "1.0"}, "dryRun": True}, "assign changes the instance alone"),
    ({"clear": "x", "limit": {"times": 1}}, "clear changes the instance alone"),
    ({"publish": {"topic": "x"}, "limit": {"times": 1, "per": "soon"}}, "limit.per: 'soon' is not a duration"),
    ({"publish": {"topic": "$hw/events/x"}}, "publish.topic: is no topic to publish on"),
    ({"publish": {"topic": "a/#"}}, "publish.topic: is no topic to publish on"),
    ({"publish": {"topic": "a/${nope}"}}, "'nope' is no input"),
    ({"set": {"device": "d", "property": "p", "value": "t", "else": [{"publish": {"topic": "x"}}]}}, "needs within"),
    ({"set": {"device": "d", "property": "p", "value": "t", "within": "1ms"}}, "set.within: '1ms' is not between"),
    (
        {"set": {"device": "d", "property": "p", "value": "t", "within": "1s", "else": [{"clear": "nope"}]}},
        "set.else[0].clear: no action starts",
    ),
    ({"webhook": {"url": "http://x", "headers": {"Host": "y"}}}, "headers.Host: is set by the gateway"),
    ({"webhook": {"url": "http://x", "within": "400d"}}, "webhook.within: '400d' is not between"),
    ({"clip": {"camera": "c", "before": "6m"}}, "clip.before: a clip has at most 5 minutes"),
    ({"upload": {"name": "u", "after": "x"}}, "upload.after: 'x' is not a duration"),
    ({"call": {"device": "d", "method": "m", "arguments": {"a": "nope"}}}, "call.arguments.a: 'nope' is no input"),
]


@pytest.mark.parametrize(("action", "reason"), WRONG)
def test_a_bad_action_is_refused_with_its_path(detector, action, reason):
    made = detector(variables={"n": 1}, states=doing(action))
    assert any(reason in str(fault) for fault in lint.faults(made)), lint.faults(made)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"webhook": {"url": "ftp://x"}}, "is not a URL"),
        ({"webhook": {"url": "https://me:secret@x/y"}}, "is not a URL without a password"),
        ({"webhook": {"url": "http://x", "headers": {"X": "a\r\nY: b"}}}, "is not one line of text"),
        ({"publish": {"topic": "x", "qos": 2}}, "qos: "),
        ({"publish": {"topic": "x"}, "limit": {"times": 0}}, "limit.times: "),
        ({"publsh": {"topic": "x"}}, "did you mean publish?"),
        (
            {
                "set": {
                    "device": "d",
                    "property": "p",
                    "value": "t",
                    "else": [{"set": {"device": "d", "property": "p", "value": "t", "within": "1s"}}],
                }
            },
            r"set.else\[0\].set.within: no such key",
        ),
    ],
)
def test_a_manifest_with_a_bad_action_is_refused(detector, action, reason):
    with pytest.raises(Rejected, match=reason):
        detector(states=doing(action))


def test_what_is_told_of_a_call_has_no_path_that_may_be_a_secret():
    assert str(Post("https://hooks.example.com/T1/secret?x", "POST", {}, "", 0)) == "POST https://hooks.example.com"


def test_every_action_is_tried_here_or_beside(detector):
    tried = {next(iter(action)) for action in OUTWARD} | {"notify", *INWARD}
    assert tried == set(ACTIONS)
