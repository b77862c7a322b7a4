"""Rules in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from rules.instructions import Command, Decided, Keep, Wake
from rules.rehearsal.decision import decisions, deeds_of, fits, line
from rules.rehearsal.stage import STALE, Stage

TIMER = {"name": "x", "after": "5s"}
STATES = {
    "A": {
        "onInput": {
            "events": [{"name": "count", "when": "t > 0.0", "do": [{"assign": {"n": "n + 1.0"}}]}],
            "transitions": [
                {
                    "name": "up",
                    "to": "B",
                    "when": "t > 2.0",
                    "for": "3s",
                    "do": [{"timer": {"name": "x", "after": "5s"}}],
                }
            ],
        },
        "onExit": {"events": [{"name": "leave", "do": [{"set": {"device": "p", "property": "n", "value": "n"}}]}]},
    },
    "B": {"onInput": {"transitions": [{"name": "rang", "to": "A", "when": 'timeout("x") || t < 0.0'}]}},
}
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("t"), st.sampled_from(["t-1", "t-2"]), st.sampled_from([3.0, 2.5, 1.0, -1.0])),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.01, 1.0, 2.5, 4.0, 30.0])),
        st.just(("restart", "", 0.0)),
    ),
    max_size=40,
)


@pytest.fixture
def rule(detector):
    return detector(variables={"n": 0}, states=STATES)


@settings(max_examples=80, deadline=None)
@given(moves=MOVES)
def test_it_decides_what_a_gateway_would_with_restarts_or_without(make_site, detector, fact, moves):
    rule = detector(variables={"n": 0}, states=STATES)
    site = make_site().apply(rule)
    stages = Stage([rule]), Stage([rule])
    made = [[], []]
    for what, device, value in moves:
        if what == "t":
            site.fact(device, "t", value)
        elif what == "wait":
            site.wait(value)
        for number, (stage, done) in enumerate(zip(stages, made, strict=True)):
            if what == "t":
                done += stage.tell(fact(f"default/{device}", "t", value, at=stage.now))
            elif what == "wait":
                done += stage.advance(stage.now + round(value * 1e6))
            elif number:
                stage.restart()
    assert made[0] == made[1]
    names = [name for each in made[0] for name in each.chosen]
    assert names == [each.name for each in site.done if isinstance(each, Decided)]
    asked = [deed["set"]["value"] for each in made[0] for deed in each.deeds]
    assert asked == [each.values["n"] for each in site.done if isinstance(each, Command)]


def test_a_decision_tells_the_state_it_led_to_with_all_that_was_done_on_the_way(rule, fact):
    stage = Stage([rule])
    assert [each.chosen for each in stage.tell(fact("default/t-1", "t", 3.0, at=1_000_000))] == [("count",)]
    (moved,) = stage.advance(8_000_000)
    assert (moved.at, moved.trigger, moved.before, moved.after) == (4_000_000, "timer for:up", "A", "B")
    assert moved.chosen == ("count", "up", "leave")
    assert moved.deeds == ({"set": {"device": "default/p", "property": "n", "value": "2"}},)


def test_what_fell_due_before_a_fact_is_decided_before_it(rule, fact):
    stage = Stage([rule])
    stage.tell(fact("default/t-1", "t", 3.0, at=0))
    made = stage.tell(fact("default/t-1", "t", 1.0, at=9_000_000))
    assert [(each.at, each.chosen[-1]) for each in made] == [
        (3_000_000, "leave"),
        (8_000_000, "rang"),
        (9_000_000, "count"),
    ]


def test_a_watchdog_that_is_set_anew_with_every_fact_leaves_little_behind(detector, fact):
    event = {"do": [{"timer": {"name": "dog", "after": "1h"}}]}
    rule = detector(states={"A": {"onInput": {"events": [event, {"name": "bark", "when": 'timeout("dog")'}]}}})
    stage = Stage([rule])
    for at in range(5000):
        stage.tell(fact("default/t-1", "t", 1.0, at=at))
    assert len(stage._heap) <= STALE + 3


class Task(Struct, frozen=True, tag="publish"):
    topic: str
    body: dict[str, float]


class Act(Struct, frozen=True, tag=True):
    """An action that this version does not know of, and that carries what is to be done."""

    id: str
    rule: str
    cause: str
    at: int
    task: Task


class Write(Struct, frozen=True, tag=True):
    """Another, that says it itself."""

    rule: str
    device: str
    value: float


class Noted(Struct, frozen=True, tag=True):
    """One that keeps some other book."""

    key: str


def test_an_action_of_another_version_is_told_by_its_fields():
    made = deeds_of(Act("1", "default/r/k", "c:1:1", 5, Task("a/b", {"t": 1.5})))
    assert made == [{"publish": {"topic": "a/b", "body": {"t": 1.5}}}]
    assert line(made[0]) == 'publish topic=a/b body={"t":1.5}'
    assert fits({"publish": {"topic": "a/b", "body": {"t": "1.5"}}}, made[0])
    assert not fits({"publish": {"topic": "a"}}, made[0])
    assert not fits({"publish": {"retain": True}}, made[0])
    assert not fits({"publish": {"body": {"u": 1.5}}}, made[0])
    assert not fits({"set": {}}, made[0])
    assert deeds_of(Write("default/r/k", "default/d", 2.0)) == [{"write": {"device": "default/d", "value": 2.0}}]
    assert deeds_of(Noted("k")) == []


def test_a_rule_that_sees_anothers_state_decides_with_it_and_so_does_one_that_is_signalled(detector, fact):
    signal = {"detector": "third", "key": "k", "input": "called", "value": "true"}
    first = detector(
        states={
            "A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0", "do": [{"signal": signal}]}]}},
            "B": {},
        }
    )
    second = detector(
        name="second",
        inputs={"other": {"detector": "rule"}},
        states={"A": {"onInput": {"transitions": [{"to": "B", "when": 'other == "B"'}]}}, "B": {}},
    )
    third = detector(
        name="third",
        key="k",
        inputs={"called": {"property": "called", "type": "boolean"}},
        states={"A": {"onInput": {"transitions": [{"to": "B", "when": "called"}]}}, "B": {}},
    )
    made = Stage([first, second, third]).tell(fact("default/t-1", "t", 2.0, "c:1:1", 1_000_000))
    assert {(each.rule, each.after) for each in made} == {
        ("default/rule", "B"),
        ("default/second", "B"),
        ("default/third", "B"),
    }


def test_what_keeps_the_books_is_no_deed():
    assert deeds_of(Keep("k", b"")) == deeds_of(Wake("k#t", 1)) == []


def test_one_fact_may_lead_to_decisions_of_several_instances():
    wave = [
        Decided("default/r", "k1", "a", "A", "A", "c"),
        Command("default/p", {"x": "1"}, "c", "default/r/k1"),
        Decided("default/r", "k2", "b", "A", "B", "c"),
        Decided("default/s", "k2", "c", "A", "A", "c"),
    ]
    made = list(decisions(wave, "t = 1", 5, "default/t-1"))
    assert [(each.rule, each.key, each.chosen, len(each.deeds)) for each in made] == [
        ("default/r", "k1", ("a",), 1),
        ("default/r", "k2", ("b",), 0),
        ("default/s", "k2", ("c",), 0),
    ]
    assert made[0].trigger == "default/t-1: t = 1"
