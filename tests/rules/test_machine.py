"""The order of an evaluation, as the theory of operation in `rules/machine.py` gives it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.instructions import Command, Decided, Explained, Keep, Wake


def note(text):
    return {"set": {"device": "log", "property": "x", "value": f'"{text}"'}}


def event(text, when=None, name=None):
    return {"do": [note(text)]} | ({"when": when} if when else {}) | ({"name": name} if name else {})


def notes(out):
    return [each.values["x"] for each in out if isinstance(each, Command)]


LOUD = {
    "A": {
        "onEnter": {"events": [event("A.enter")]},
        "onInput": {
            "events": [event("A.input")],
            "transitions": [
                {"to": "B", "when": "t > 10.0", "do": [note("A-B")]},
                {"to": "A", "name": "again", "when": "t == 5.0", "do": [note("A-A")]},
            ],
        },
        "onExit": {"events": [event("A.exit")]},
    },
    "B": {
        "onEnter": {"events": [event("B.enter")]},
        "onInput": {"events": [event("B.input")], "transitions": [{"to": "A", "when": "t < 100.0"}]},
    },
}


def test_a_new_instance_enters_its_initial_state_first(site, detector):
    site.apply(detector(states=LOUD))
    assert notes(site.fact("t-1", "t", 0)) == ["A.enter", "A.input"]
    assert notes(site.fact("t-1", "t", 0)) == ["A.input"]
    assert notes(site.fact("t-2", "t", 0)) == ["A.enter", "A.input"]


def test_a_transition_runs_exit_then_its_actions_then_enter_and_ends_the_evaluation(site, detector):
    site.apply(detector(states=LOUD))
    site.fact("t-1", "t", 0)
    # 11 would lead on from B to A at once, were a second state evaluated with the same input
    assert notes(site.fact("t-1", "t", 11)) == ["A.input", "A.exit", "A-B", "B.enter"]
    assert site.state() == "B"


def test_a_transition_to_the_same_state_leaves_and_enters_it(site, detector):
    site.apply(detector(states=LOUD))
    site.fact("t-1", "t", 0)
    assert notes(site.fact("t-1", "t", 5)) == ["A.input", "A.exit", "A-A", "A.enter"]


def test_the_first_transition_that_holds_is_taken(site, detector, look):
    ways = [{"to": "A", "name": f"way-{n}", "when": f"t > {n}.0"} for n in (9, 2, 1)]
    site.apply(detector(states={"A": {"onInput": {"transitions": ways}}}))
    assert look.chosen(site.fact("t-1", "t", 3)) == ["way-2"]


def test_conditions_of_a_list_see_the_values_from_before_it(site, detector):
    events = [
        {"do": [{"assign": {"n": "n + 1.0"}}]},
        event("seen", "n > 0.0"),
        {"do": [{"set": {"device": "log", "property": "x", "value": "n"}}]},
    ]
    site.apply(detector(variables={"n": 0}, states={"A": {"onInput": {"events": events}}}))
    assert notes(site.fact("t-1", "t", 1)) == ["1"]  # the second event did not see the first one's change
    assert notes(site.fact("t-1", "t", 1)) == ["seen", "2"]


def test_transitions_see_what_the_events_changed(site, detector):
    states = {
        "A": {
            "onInput": {
                "events": [{"do": [{"assign": {"n": "n + 1.0"}}]}],
                "transitions": [{"to": "B", "when": "n == 3.0"}],
            }
        },
        "B": {},
    }
    site.apply(detector(variables={"n": 0}, states=states))
    seen = [site.fact("t-1", "t", 1) and site.state() for _ in range(3)]
    assert seen == ["A", "A", "B"]


def test_assignments_of_one_action_are_computed_from_the_values_before(site, detector):
    swap = [{"do": [{"assign": {"a": "b", "b": "a"}}]}]
    site.apply(detector(variables={"a": 1, "b": 2}, states={"A": {"onInput": {"events": swap}}}))
    site.fact("t-1", "t", 0)
    assert site.rules.views()[0].instances[0].values == {"a": 2.0, "b": 1.0, "t": 0.0}


def test_timers_are_written_before_what_is_done_and_the_state_with_the_batch(site, detector):
    do = [{"timer": {"name": "x", "seconds": 1}}, note("go")]
    site.apply(detector(states={"A": {"onInput": {"events": [{"do": do}]}}}))
    assert [type(each) for each in site.fact("t-1", "t", 0)] == [Explained, Wake, Decided, Command, Keep]


def test_a_condition_must_hold_all_the_time_of_its_debounce(site, detector):
    states = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0", "for": "10s"}]}}, "B": {}}
    site.apply(detector(states=states))
    site.fact("t-1", "t", 2)
    site.wait(9)
    site.fact("t-1", "t", 3)  # holds still: the time runs on
    site.wait(0.9)
    assert site.state() == "A"
    site.wait(0.1)
    assert site.state() == "B"
    assert site.timers == {}


def test_a_debounce_ends_with_its_state(site, detector):
    ways = [{"to": "B", "when": "t > 1.0", "for": "10s"}, {"to": "C", "when": "t > 5.0"}]
    site.apply(detector(states={"A": {"onInput": {"transitions": ways}}, "B": {}, "C": {}}))
    site.fact("t-1", "t", 2)
    assert len(site.timers) == 1
    site.fact("t-1", "t", 6)
    assert site.timers == {}
    site.wait(60)
    assert site.state() == "C"


def test_a_debounced_condition_is_looked_at_again_when_its_time_is_up(site, detector):
    ways = [{"to": "B", "when": 't > 1.0 && within("w")', "for": "10s"}]
    window = {"w": {"from": "00:00", "to": "00:01"}}
    site.apply(detector(windows=window, states={"A": {"onInput": {"transitions": ways}}, "B": {}}))
    site.wait(55)
    site.fact("t-1", "t", 2)
    site.wait(60)  # due at 00:01:05, outside the window
    assert site.state() == "A"
    assert site.timers == {}


def test_a_timer_lives_across_states_until_it_is_cleared(site, detector, look):
    go = {
        "onInput": {"transitions": [{"to": "B", "when": "t == 1.0", "do": [{"timer": {"name": "x", "after": "5s"}}]}]}
    }
    done = [{"to": "A", "name": "rang", "when": 'timeout("x")'}, {"to": "C", "when": "t == 2.0"}]
    end = {"onInput": {"transitions": [{"to": "A", "when": "t == 3.0", "do": [{"clear": "x"}]}]}}
    site.apply(detector(states={"A": go, "B": {"onInput": {"transitions": done}}, "C": end}))
    site.fact("t-1", "t", 1)
    assert look.chosen(site.wait(5)) == ["rang"]
    for value in (1, 2, 3):
        site.fact("t-1", "t", value)
    assert site.timers == {}
    assert site.state() == "A"


def test_a_timer_that_starts_itself_again_rings_periodically(site, detector, look):
    ring = {"name": "ring", "when": 'timeout("x")', "do": [{"timer": {"name": "x", "seconds": 0.01}}]}
    enter = {"events": [{"do": [{"timer": {"name": "x", "seconds": 0.01}}]}]}
    site.apply(detector(states={"A": {"onEnter": enter, "onInput": {"events": [ring]}}}))
    site.fact("t-1", "t", 0)
    assert look.chosen(site.wait(0.1)) == ["ring"] * 10


def test_each_evaluation_has_a_decision_per_event_and_transition(site, detector):
    site.apply(detector(states=LOUD))
    out = site.fact("t-1", "t", 11)
    assert [(each.name, each.before, each.after) for each in out if isinstance(each, Decided)] == [
        ("A.enter[0]", "A", "A"),
        ("A.input[0]", "A", "A"),
        ("B", "A", "B"),
        ("A.exit[0]", "A", "A"),
        ("B.enter[0]", "B", "B"),
    ]
    assert {each.cause for each in out if isinstance(each, (Decided, Command))} == {"test:1:1"}


def test_a_timers_decision_has_the_cause_that_set_it(site, detector):
    states = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0", "for": "1s"}]}}, "B": {}}
    site.apply(detector(states=states))
    site.fact("t-1", "t", 0)
    site.fact("t-1", "t", 2)
    assert [each.cause for each in site.wait(1) if isinstance(each, Decided)] == ["test:1:2"]


def test_since_is_when_the_state_was_entered(site, detector):
    site.apply(detector(states=LOUD))
    site.wait(3)
    site.fact("t-1", "t", 0)
    site.wait(4)
    site.fact("t-1", "t", 11)
    assert site.rules.views()[0].instances[0].since == 7_000_000


SEEN = [
    {"do": [{"assign": {"n": "n + 1.0"}}]},
    event("seen", "n > 0.0"),
    {"when": 'n > 0.0 && !timeout("x")', "do": [{"timer": {"name": "x", "expression": "n * 2.0"}}]},
]
SIDES = {
    "A": {
        "onEnter": {"events": SEEN},
        "onInput": {"events": SEEN, "transitions": [{"to": "B", "when": "n == 2.0", "do": [note("go")]}]},
        "onExit": {"events": SEEN},
    },
    "B": {"onEnter": {"events": [event("B", "n > 2.0")]}},
}


def test_what_a_batch_and_a_series_see_side_by_side(make_site, detector):
    sides = {}
    for evaluation in ("batch", "serial"):
        site = make_site().apply(detector(variables={"n": 0}, states=SIDES, evaluation=evaluation))
        out = site.fact("t-1", "t", 1)
        wakes = [each.due for each in out if isinstance(each, Wake)]
        sides[evaluation] = notes(out), wakes, site.state(), site.rules.views()[0].instances[0].values["n"]
    # onEnter, then onInput with its transition, then onExit; the timer has the length of what n was when it was started
    assert sides["batch"] == (["seen", "seen", "go", "B"], [6_000_000], "B", 3.0)
    assert sides["serial"] == (["seen", "seen", "seen", "go", "B"], [6_000_000], "B", 3.0)


def test_only_a_condition_above_is_seen_by_one_below_when_the_evaluation_is_serial(make_site, detector):
    events = [event("first", "n > 0.0"), {"do": [{"assign": {"n": "1.0"}}]}, event("last", "n > 0.0")]
    states = {"A": {"onInput": {"events": events}}}
    told = {}
    for evaluation in ("batch", "serial"):
        site = make_site().apply(detector(variables={"n": 0}, states=states, evaluation=evaluation))
        told[evaluation] = [notes(site.fact("t-1", "t", 1)) for _ in range(2)]
    assert told == {"batch": [[], ["first", "last"]], "serial": [["last"], ["first", "last"]]}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("<>"), st.integers(0, 3), st.sampled_from("+-"), st.integers(0, 2)), max_size=6
    ),
    inputs=st.lists(st.integers(-1, 1), min_size=1, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_both_evaluations_are_what_they_say(make_site, detector, steps, inputs):
    """Against a model of a few lines: conditions all at once, or each in its turn."""
    events = [
        {"when": f"n {than} {limit}.0", "do": [{"assign": {"n": f"n {sign} {by}.0 + t"}}]}
        for than, limit, sign, by in steps
    ]
    for evaluation in ("batch", "serial"):
        site = make_site().apply(
            detector(variables={"n": 1}, states={"A": {"onInput": {"events": events}}}, evaluation=evaluation)
        )
        n = 1.0
        for t in inputs:
            site.fact("t-1", "t", t)
            before = n
            for than, limit, sign, by in steps:
                looked = before if evaluation == "batch" else n
                if looked < limit if than == "<" else looked > limit:
                    n += (by if sign == "+" else -by) + t
            assert site.rules.views()[0].instances[0].values["n"] == n
