"""The tests of rules: what they say when a case does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.commands.rule.files import beside, rules_of
from rules.rehearsal import manifest
from rules.rehearsal.case import play
from twins.errors import Rejected

TESTS = sorted((Path(__file__).parents[2] / "docs" / "examples").rglob("*.test.yaml"))
PAGE = (Path(__file__).parents[2] / "docs" / "rule-tests.md").read_text("utf-8")
LATE = ("fire", "skip", "resume")
ALARM = {"do": [{"alert": {"message": "x"}}]}
HOT = [{"give": {"thermometer-2": {"temperature": 33}}}, {"at": "2s"}]


def given(*steps, **more):
    return manifest.decode({"kind": "RuleTest", "cases": [{"case": "c", "steps": [*steps]} | more]}, "x.test.yaml")


@pytest.fixture
def played(example):
    def run(*steps, rule="overheat", **more):
        return play(given(*steps, **more).cases[0], [example(rule)])

    return run


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_the_tests_of_the_documentation_hold(file):
    tests = manifest.decode(yaml.safe_load(file.read_text("utf-8")), file.name)
    files = [file.parent / name for name in tests.rules] or [beside(file)]
    rules = [rule for each in files for rule in rules_of(each)]
    for case in tests.cases:
        assert play(case, rules, tests.zone).faults == ()


def test_every_rule_of_the_documentation_has_tests():
    folder = Path(__file__).parents[2] / "docs" / "examples" / "rules"
    rules = {file.stem for file in folder.glob("*.yaml") if file not in TESTS}
    assert {f"{name}.test" for name in rules} == {file.stem for file in TESTS if file.parent == folder}


@pytest.mark.parametrize(
    ("steps", "after"),
    [
        ([{"at": "10s"}], "Deaf"),
        ([{"at": "9s", "give": {"p": {"n": 7}}}, {"at": "1h"}], "On"),
        ([{"at": "9s", "give": {"p": {"n": 6}}}, {"at": "10s"}], "Deaf"),
        ([{"at": "5s", "restart": True}, {"at": "9.9s"}], "On"),
        ([{"at": "5s", "restart": "1m"}], "Deaf"),
    ],
)
def test_a_device_that_does_not_report_in_time_what_is_asked_leads_to_the_alternative(detector, steps, after):
    asked = {"device": "p", "property": "n", "value": "7", "within": "10s", "else": [{"assign": {"deaf": "true"}}]}
    states = {
        "On": {
            "onEnter": {"events": [{"do": [{"set": asked}]}]},
            "onInput": {"transitions": [{"to": "Deaf", "when": "deaf"}]},
        },
        "Deaf": {},
    }
    rule = detector(variables={"deaf": False}, initial="On", states=states)
    case = given({"give": {"t-1": {"t": 1}}}, *steps[:-1], steps[-1] | {"expect": {"states": {"t-1": after}}})
    assert play(case.cases[0], [rule]).faults == ()


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ({"states": {"thermometer-2": "Normal"}}, "states.thermometer-2: expected Normal, got Hot"),
        ({"states": {"thermometer-9": "Hot"}}, "states.thermometer-9: expected Hot, got no instance"),
        ({"states": {"thermometer-2": None}}, "states.thermometer-2: expected no instance, got Hot"),
        ({"chosen": []}, "chosen: expected none, got too-hot, cool"),
        ({"actions": []}, "actions: expected none, got set default/pump-2 speed = 80; alert (warning): default/"),
        (
            {"actions": [{"set": {"device": "pump-2", "property": "speed", "value": "81"}}]},
            "actions: expected set pump-2 speed = 81, got set default/pump-2 speed = 80; alert",
        ),
        ({"timers": {"thermometer-2": {"x": "1s"}}}, "timers.thermometer-2: expected x 1s, got none"),
        ({"values": {"thermometer-2": {"limit": 30}}}, "values.thermometer-2.limit: expected 30, got 32"),
        ({"values": {"thermometer-2": {"limit": None}}}, "values.thermometer-2.limit: expected no value, got 32"),
        ({"rule": "other", "states": {"thermometer-2": "Hot"}}, "states.thermometer-2: expected Hot, got no instance"),
    ],
)
def test_what_does_not_hold_is_told_with_what_came_instead(played, expect, told):
    outcome = played(HOT[0], HOT[1] | {"expect": expect})
    assert outcome.faults[0].startswith(f"step 2, at 2s: {told}")


def test_a_failure_is_explained_by_the_evaluations_before_it(played):
    outcome = played(*HOT, {"expect": {"states": {"thermometer-2": "Normal"}}})
    story = "\n".join(outcome.story)
    assert "at 2s: default/thermometer-2: timer for:too-hot" in story
    assert "temperature > limit = true" in story
    assert "Normal → Hot" in story


def test_a_restart_does_not_cut_the_story(played):
    outcome = played(HOT[0], {"at": "1s", "restart": True, "expect": {"states": {"thermometer-2": "Hot"}}})
    assert "at 0s: default/thermometer-2: temperature" in outcome.story[0]


def test_all_that_is_expected_is_named_when_it_holds(played):
    expect = {
        "states": {"default/thermometer-2": "Hot"},
        "actions": [{"set": {"device": "pump-2", "value": 80}}, {"alert": {}}],
        "chosen": ["too-hot", "cool"],
        "timers": {"thermometer-2": {}},
        "values": {"thermometer-2": {"temperature": 33, "other": None}},
        "rule": "overheat",
    }
    assert played(HOT[0], HOT[1] | {"expect": expect}).faults == ()


def test_actions_count_until_they_are_expected_and_only_once(played):
    quiet = {"expect": {"states": {"thermometer-2": "Hot"}}}
    expect = {"expect": {"actions": [{"set": {}}, {"alert": {}}]}}
    assert played(HOT[0], HOT[1] | quiet, {"at": "1m"} | expect).faults == ()
    assert played(HOT[0], HOT[1] | expect, {"at": "1m", "expect": {"actions": []}}).faults == ()


def test_time_does_not_go_back(played):
    with pytest.raises(Rejected, match="step 2: at: 1s is before"):
        played({"at": "2s"}, {"at": "1s"})


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"start": "noon"}, "start: 'noon' is no time"),
        ({"steps": [{"at": "soon"}]}, "step 1: at: 'soon' is not a duration"),
        ({"steps": [{"expect": {"timers": {"k": {"x": "soon"}}}}]}, "timers.k.x: 'soon' is not a duration"),
    ],
)
def test_what_cannot_be_played_is_refused_with_its_place(played, broken, told):
    with pytest.raises(Rejected, match=told):
        played({}, **broken)


def test_an_unknown_field_is_refused_with_its_path_and_the_nearest_name():
    with pytest.raises(Rejected, match=r"cases\[0\].steps\[0\].expect.stats.*did you mean states"):
        given({"expect": {"stats": {}}})


def test_an_instance_of_two_rules_has_to_be_named_with_its_rule(example, detector):
    both = [example("overheat"), detector(inputs={"t": {"device": "thermometer-*", "property": "temperature"}})]
    case = given({"give": {"thermometer-2": {"temperature": 1}}, "expect": {"states": {"thermometer-2": "A"}}}).cases[0]
    with pytest.raises(Rejected, match="instance of default/overheat and default/rule"):
        play(case, both)
    expect = {"states": {"thermometer-2": "A"}, "rule": "rule"}
    assert play(given({"give": {"thermometer-2": {"temperature": 1}}, "expect": expect}).cases[0], both).faults == ()


def test_the_state_of_a_device_can_be_given(detector):
    rule = detector(
        inputs={"state": {"device": "pump-*", "property": "$state", "type": "string"}},
        states={"A": {"onInput": {"transitions": [{"to": "Gone", "when": 'state == "offline"'}]}}, "Gone": {}},
    )
    step = {"give": {"pump-1": {"$state": "offline"}}, "expect": {"states": {"pump-1": "Gone"}}}
    assert play(given(step).cases[0], [rule]).faults == ()


def test_a_start_without_offset_is_in_the_zone_of_the_test(example):
    step = {"give": {"yard": {"person.count": 1}}, "expect": {"states": {"yard": "Alerted"}}}
    case = given(step, start="2026-06-01T22:30:00").cases[0]
    assert play(case, [example("intruder")], "Europe/Berlin").faults == ()
    case = given(step, start="2026-06-01T22:30:00Z").cases[0]
    assert play(case, [example("intruder")], "America/New_York").faults != ()


def test_a_gateway_may_be_away_for_a_while(detector):
    states = {
        "A": {
            "onEnter": {"events": [{"do": [{"timer": {"name": name, "after": "10s", "late": name}} for name in LATE]}]},
            "onInput": {"events": [{"name": name, "when": f'timeout("{name}")'} | ALARM for name in LATE]},
        }
    }
    steps = [{"give": {"t-1": {"t": 1}}}, {"at": "5s", "restart": "1m", "expect": {"chosen": ["skip skip", "fire"]}}]
    steps += [{"at": "70s", "expect": {"chosen": ["resume"], "timers": {"t-1": {}}}}]
    assert play(given(*steps).cases[0], [detector(states=states)]).faults == ()


def test_a_schedule_comes_at_its_time(detector):
    states = {"A": {"onInput": {"events": [{"name": "six", "when": 'schedule("dawn")'} | ALARM]}}}
    rule = detector(states=states, schedules={"dawn": {"cron": "0 6 * * *"}}, key="one")
    steps = [{"at": "5h59m"}, {"at": "6h", "expect": {"chosen": ["six"]}}, {"at": "30h", "expect": {"chosen": ["six"]}}]
    assert play(given(*steps).cases[0], [rule]).faults == ()
