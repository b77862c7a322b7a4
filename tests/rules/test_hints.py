"""What is allowed and most likely not meant."""

from __future__ import annotations

import pytest

from rules import lint
from rules.expression import Expression
from rules.lint.constant import constant

INPUTS = {
    "t": {"device": "t-*", "property": "t"},
    "u": {"device": "t-*", "property": "u"},
    "b": {"device": "t-*", "property": "b", "type": "boolean"},
    "s": {"device": "t-*", "property": "s", "type": "string"},
}
COUNTING = {"A": {"onInput": {"events": [{"do": [{"assign": {"n": "n + 1.0"}}]}]}}}
WINDOWS = {"night": {"from": "22:00", "to": "22:01"}}
VARIABLES = {"limit": 32, "n": 0}


@pytest.fixture
def tried(detector):
    made = detector(inputs=INPUTS, variables=VARIABLES, windows=WINDOWS, states=COUNTING)
    return lambda source: constant(made, Expression(source))


@pytest.mark.parametrize(
    "source",
    [
        "t > 10.0",
        "t > 10.0 && t < 10.5",
        "t > limit && t < limit + 0.5",
        "t == u",
        "t - u > 100.0",
        "b && !within('night')",
        's.startsWith("on") && s != "on"',
        's == "on" || s == "off"',
        "known('u')",
        "!known('u') && t > 1.0",
        "timeout('x')",
        "timeout('x') && b",
        "n > 1000.0",
        'input == "t"',
        "t > 0.0 ? b : !b",
    ],
)
def test_a_condition_that_can_be_both_is_not_accused(tried, source):
    assert tried(source) is None


@pytest.mark.parametrize(
    ("source", "always"),
    [
        ("t > 10.0 && t < 9.0", False),
        ("t > 10.0 || t <= 10.0", True),
        ("limit > 30.0", True),
        ("b && !b", False),
        ('s == "on" && s == "off"', False),
        ("within('night') && !within('night')", False),
        ("timeout('x') && timeout('y')", False),
        ("known('u') || !known('u')", True),
        ('input == "t" && timeout("x") && input != "t"', False),
        ("true", True),
    ],
)
def test_a_condition_that_always_comes_out_the_same_is_found(tried, source, always):
    assert tried(source) is always


@pytest.mark.parametrize(
    "source",
    ['device == "default/x" && device == "y"', 'part(s, "-", 0) == "a" && part(s, "-", 0) == "b"', "size(s) > 300"],
)
def test_what_trial_cannot_tell_is_not_judged(tried, source):
    assert tried(source) is None


def test_every_hint_has_path_and_level(detector):
    states = {
        "A": {
            "onEnter": {"events": [{"do": [{"timer": {"name": "lost", "after": "5s"}}]}]},
            "onInput": {"transitions": [{"to": "B", "when": "t > 5.0 && t < 4.0"}]},
        },
        "B": {"onInput": {"transitions": [{"to": "B", "when": "t > 5.0"}]}},
    }
    made = detector(inputs=INPUTS, variables={"spare": 1}, windows=WINDOWS, states=states)
    assert lint.faults(made) == []
    assert [(each.level, each.path) for each in lint.hints(made)] == [
        ("warning", "spec.states.A.onEnter.events[0].do[0].timer"),
        ("info", "spec.states.B"),
        ("info", "spec.inputs.u"),
        ("info", "spec.inputs.b"),
        ("info", "spec.inputs.s"),
        ("info", "spec.variables.spare"),
        ("info", "spec.windows.night"),
        ("warning", "spec.states.A.onInput.transitions[0].when"),
    ]


@pytest.mark.parametrize("name", ["overheat", "door-open", "intruder"])
def test_the_rules_of_the_documentation_give_no_hint(example, name):
    assert list(lint.hints(example(name))) == []


def test_a_single_state_needs_no_way_out(detector):
    made = detector(states={"A": {"onInput": {"events": [{"when": "t > 1.0"}]}}})
    assert list(lint.hints(made)) == []
