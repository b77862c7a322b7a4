from __future__ import annotations

from rules.explain import Effect, Evaluation, Story
from rules.instructions import Explained

HOT = {
    "A": {"onInput": {"transitions": [{"to": "B", "name": "hot", "when": "t > limit", "do": [
        {"alert": {"severity": "warning", "message": "hot: ${t}"}},
        {"set": {"device": "pump-1", "property": "speed", "value": "80.0"}},
        {"timer": {"name": "x", "seconds": 1}},
    ]}]}},
    "B": {"onInput": {"transitions": [{"to": "A", "when": 'timeout("x") || u > 1.0'}]}},
}  # fmt: skip
INPUTS = {"t": {"property": "t"}, "u": {"property": "u"}}


def evaluation(at, key="k", chosen=""):
    return Evaluation(at, f"c:{at}", key, "t", "A", "A", chosen, (), ())


def test_why_a_pump_started_has_input_condition_transition_and_actions(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 20)
    site.fact("t-1", "t", 31)
    (found,) = site.rules.why("test:1:2")
    assert (found.trigger, found.before, found.after, found.chosen) == ("t", "A", "B", "hot")
    assert (found.rule, found.source, found.value) == ("default/rule", "default/t-1/t", 31)
    (verdict,) = found.verdicts
    assert (verdict.label, verdict.source, verdict.holds) == ("spec.states.A.onInput.transitions[0]", "t > limit", True)
    timer, told, asked = found.effects
    assert timer == Effect("wake", "x", at=1_000_000)
    assert (told.kind, told.target, told.value, len(told.id)) == ("alert", "default/t-1", "hot: 31", 24)
    assert asked == Effect("set", "default/pump-1/speed", "80")


def test_a_condition_is_told_with_the_values_it_saw_and_not_with_those_of_now(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    site.fact("t-1", "t", 99)
    assert site.rules.why("test:1:1")[0].verdicts[0].given == {"t": 31, "limit": 30}
    assert site.rules.why("test:1:2")[0].value == 99
    assert site.rules.why("test:1:2")[0].verdicts[0].given == {'timeout("x")': False}


def test_variables_that_an_event_changed_are_told_as_each_condition_saw_them(site, detector):
    events = [{"when": "n < 5.0", "do": [{"assign": {"n": "n + 5.0"}}]}]
    way = {"to": "B", "when": "n > 5.0 && t > 0.0"}
    site.apply(detector(variables={"n": 1}, states={
        "A": {"onInput": {"events": events, "transitions": [way]}}, "B": {},
    }))  # fmt: skip
    site.fact("t-1", "t", 2)
    first, second = site.rules.why("test:1:1")[0].verdicts
    assert (first.given, second.given) == ({"n": 1}, {"n": 6, "t": 2})
    assert site.rules.why("test:1:1")[0].effects == (Effect("assign", "n", "6"),)


def test_a_rule_that_is_changed_remembers_what_it_decided_and_counts_anew(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    before = site.rules.explain("default/rule")
    site.apply(detector(inputs=INPUTS, variables={"limit": 40}, states=HOT))
    assert site.rules.explain("default/rule") == before
    assert site.rules.views()[0].decisions == 0
    assert site.rules.counts.decisions == 1


def test_a_command_that_is_no_property_has_no_source(site, detector):
    site.apply(detector(inputs={"order": {"property": "\0default/a", "type": "string"}}))
    site.fact("t-1", "\0default/a", "reset")
    (found,) = site.rules.why("test:1:1")
    assert (found.source, found.trigger, found.value) == ("", "order", "reset")


def test_what_decides_explains_itself_before_it_acts_and_what_does_not_explains_nothing(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    assert not [each for each in site.fact("t-1", "t", 20) if isinstance(each, Explained)]
    first, *others = site.fact("t-1", "t", 31)
    assert isinstance(first, Explained)
    assert first.evaluation == site.rules.why("test:1:2")[0]
    assert not [each for each in others if isinstance(each, Explained)]


def test_why_nothing_happened_is_told_too(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    site.fact("t-1", "t", 31)
    (found,) = site.rules.why("test:1:2")
    (verdict,) = found.verdicts
    assert (verdict.source, verdict.holds, verdict.fault) == ('timeout("x") || u > 1.0', False, "no value yet of u")
    assert (found.chosen, found.effects) == ("", ())
    assert site.rules.views()[0].counts.missing == 1


def test_a_timer_is_told_with_the_cause_that_set_it(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    site.wait(1)
    first, second = site.rules.why("test:1:1")
    assert second.trigger == "timer x@1000000"
    assert (second.chosen, second.before, second.after, second.effects) == ("A", "B", "A", (Effect("clear", "x"),))
    assert first.trigger == "t"


def test_a_chatty_sensor_does_not_push_a_rare_decision_out():
    story = Story(4)
    story.add(evaluation(0, chosen="rare"))
    for at in range(1, 100):
        story.add(evaluation(at))
    assert [each.at for each in story.last()] == [0, 96, 97, 98, 99]
    assert (story.counts.evaluations, story.counts.decisions, story.counts.faults) == (100, 1, 0)
    assert story.why("c:0") == [evaluation(0, chosen="rare")]


def test_the_story_of_one_instance():
    story = Story()
    for at, key in enumerate("abab"):
        story.add(evaluation(at, key, "x"))
    assert [each.at for each in story.last("b")] == [1, 3]


def test_evaluations_at_one_moment_stay_in_order():
    story = Story()
    for chosen in ("", "x", "", "y"):
        story.add(evaluation(7, chosen=chosen))
    assert [each.chosen for each in story.last()] == ["", "x", "", "y"]


def test_decisions_of_an_earlier_run_come_before_those_of_this_one():
    story = Story(4)
    story.recall([evaluation(1, chosen="x"), evaluation(2), evaluation(3, chosen="y")])
    story.add(evaluation(4))
    story.add(evaluation(5, chosen="z"))
    assert [each.at for each in story.last()] == [1, 3, 4, 5]
    assert (story.counts.evaluations, story.counts.decisions) == (2, 1)
