from __future__ import annotations

from rules.explain import Evaluation, Story, tell
from rules.instructions import Keep

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
    assert tell(found).splitlines() == [
        "default/t-1: t (test:1:2)",
        "  spec.states.A.onInput.transitions[0]: t > limit = true",
        "  chosen: hot, A → B",
        "  timer x set to 1000000",
        "  told (warning): hot: 31",
        "  asked of default/pump-1: speed = 80",
    ]


def test_why_nothing_happened_is_told_too(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    site.fact("t-1", "t", 31)
    assert tell(site.rules.why("test:1:2")[0]).splitlines()[1:] == [
        '  spec.states.B.onInput.transitions[0]: timeout("x") || u > 1.0 = false: no value yet of u',
        "  chosen: nothing",
    ]
    assert site.rules.views()[0].faults == 1


def test_a_timer_is_told_with_the_cause_that_set_it(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    site.fact("t-1", "t", 31)
    site.wait(1)
    first, second = site.rules.why("test:1:1")
    assert second.trigger == "timer x@1000000"
    assert tell(second).splitlines()[-2:] == ["  chosen: A, B → A", "  timer x cleared"]
    assert first.trigger == "t"


def test_a_chatty_sensor_does_not_push_a_rare_decision_out():
    story = Story(4)
    story.add(evaluation(0, chosen="rare"))
    for at in range(1, 100):
        story.add(evaluation(at))
    assert [each.at for each in story.last()] == [0, 96, 97, 98, 99]
    assert (story.evaluations, story.decisions, story.faults) == (100, 1, 0)
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


def test_an_evaluation_has_all_its_instructions(site, detector):
    site.apply(detector(inputs=INPUTS, variables={"limit": 30}, states=HOT))
    *out, kept = site.fact("t-1", "t", 61)
    assert list(site.rules.explain("default/rule", "default/t-1")[0].instructions) == out != []
    assert isinstance(kept, Keep)  # written with the batch, not by the evaluation
