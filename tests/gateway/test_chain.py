"""Chains of causes: which decision led to which, and where a chain ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.chain import CAUSES, STEPS, Chain
from gateway.why import Why
from rules.account import written
from rules.explain import Effect, Evaluation
from rules.instructions import Explained
from rules.manifest.detector import decode
from rules.manifest.form import Scalar
from rules.rules import Rules
from store.decisions import Ring
from store.state import Database
from twins.errors import Rejected, Unavailable
from twins.exchange import Decision
from twins.instructions import Fact
from twins.twin import Twins


class Past:
    """Decisions, one after the other, on disk."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.file = file
        self._connection = connection
        self._ring = Ring()
        self._at = 0

    def decide(
        self,
        cause: str,
        source: str,
        value: Scalar | None,
        *effects: Effect,
        rule: str = "default/r",
        trigger: str = "t",
    ) -> None:
        self._at += 1
        self.keep(written(Evaluation(self._at, cause, "k", trigger, "A", "B", "x", (), effects, rule, source, value)))

    def keep(self, decision: Decision) -> None:
        with self._connection:
            self._ring.done(self._ring.write(self._connection, [decision]))

    def chain(self, cause: str) -> list[tuple[str, int]]:
        """The causes of the steps, each with the place of what led to it."""
        links = Chain(self._connection).of(cause)
        places = {link.id: place for place, link in enumerate(links)}
        return [(link.evaluation.cause, places.get(link.led_by, -1)) for link in links]


@pytest.fixture
async def past(tmp_path) -> Iterator[Past]:
    database = Database(tmp_path / "state.db")
    await database.open()
    await database.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        yield Past(tmp_path / "state.db", connection)


def asks(target: str, value: str) -> Effect:
    return Effect("set", target, value)


async def test_a_report_of_what_was_asked_goes_on_with_the_chain_and_another_value_does_not(past: Past) -> None:
    past.decide("mqtt:1:1", "d/t/t", 81.5, asks("d/pump/speed", "80"))
    past.decide("mqtt:1:2", "d/pump/speed", 60.0)
    past.decide("mqtt:1:3", "d/pump/speed", 80.0)
    past.decide("mqtt:1:4", "d/pump/speed", 80.0)
    whole = [("mqtt:1:1", -1), ("mqtt:1:3", 0)]
    assert past.chain("mqtt:1:1") == past.chain("mqtt:1:3") == whole
    assert past.chain("mqtt:1:2") == [("mqtt:1:2", -1)]
    assert past.chain("mqtt:1:4") == [*whole, ("mqtt:1:4", 0)], "it reports still what was asked then"


async def test_a_value_that_was_asked_anew_is_the_answer_to_the_newer(past: Past) -> None:
    past.decide("mqtt:1:1", "d/t/t", 81.5, asks("d/pump/speed", "80"))
    past.decide("mqtt:1:2", "d/t/t", 99.5, asks("d/pump/speed", "80"))
    past.decide("mqtt:1:3", "d/pump/speed", 80.0)
    assert past.chain("mqtt:1:1") == [("mqtt:1:1", -1)]
    assert past.chain("mqtt:1:3") == [("mqtt:1:2", -1), ("mqtt:1:3", 0)]


async def test_a_timer_follows_from_the_evaluation_of_its_own_instance_that_set_it_last(past: Past) -> None:
    wake = Effect("wake", "x", at=7)
    past.decide("mqtt:1:1", "d/t/t", 1.0, wake)
    past.decide("mqtt:1:1", "d/t/t", 1.0, wake, rule="default/other")
    past.decide("mqtt:1:1", "", None, trigger="timer x@8")  # by the timers' own clock
    assert past.chain("mqtt:1:1") == [("mqtt:1:1", -1), ("mqtt:1:1", -1), ("mqtt:1:1", 0)]


async def test_two_rules_that_answer_each_other_make_a_chain_that_ends(past: Past) -> None:
    for number in range(1, 100):
        ours, theirs = ("d/a/x", "d/b/x") if number % 2 else ("d/b/x", "d/a/x")
        past.decide(f"mqtt:1:{number}", ours, 1.0, asks(theirs, "1"))
    chain = past.chain("mqtt:1:50")
    assert len(chain) == CAUSES
    assert ("mqtt:1:50", CAUSES - 2) in chain
    assert [led_by for _, led_by in chain] == list(range(-1, CAUSES - 1))


async def test_an_input_of_very_many_decisions_is_told_in_part(past: Past) -> None:
    for _ in range(STEPS + 50):
        past.decide("mqtt:1:1", "d/t/t", 1.0)
    assert len(past.chain("mqtt:1:1")) == STEPS


async def test_what_cannot_be_read_is_left_out(past: Past) -> None:
    past.decide("mqtt:1:1", "d/t/t", 1.0)
    past.keep(Decision(9, "mqtt:1:1", "default/r", "k", "d/t/t", "x", "A", "B", "", '{"at": "yesterday"}'))
    assert past.chain("mqtt:1:1") == [("mqtt:1:1", -1)]
    assert past.chain("mqtt:1:2") == []


DOOR = {
    "inputs": {"open": {"device": "door-*", "property": "open", "type": "boolean"}},
    "initial": "Shut",
    "states": {"Shut": {"onInput": {"transitions": [{"to": "Open", "when": "open"}]}}, "Open": {}},
}


async def test_each_evaluation_is_told_once_whether_it_decided_or_not(past: Past) -> None:
    rules = Rules()
    for name in ("a", "b"):
        rules.apply(decode({"metadata": {"name": name}, "spec": DOOR}))
    for number, value in enumerate(("false", "true", "true"), 1):
        for each in rules.handle(
            Fact("default/door-1", f"mqtt:1:{number}", "open", value, float(value == "true"), 0, 0), 1
        ):
            if isinstance(each, Explained):
                past.keep(written(each.evaluation, "doors/1"))
    why = Why(past.file, Twins(), rules)
    told = [await why.why(f"mqtt:1:{number}") for number in (1, 2, 3)]
    assert [[(step.rule, step.chosen) for step in each.steps] for each in told] == [
        [("default/a", ""), ("default/b", "")],
        [("default/a", "Open"), ("default/b", "Open")],
        [("default/a", ""), ("default/b", "")],
    ]
    assert [step.topic for step in told[1].steps] == ["doors/1", "doors/1"]
    assert told[1].steps[0].conditions[0].text == "open: true"
    with pytest.raises(Rejected, match="nothing is known of mqtt:1:4"):
        await why.why("mqtt:1:4")


async def test_before_there_is_a_store_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read yet"):
        await Why(tmp_path / "state.db", Twins(), Rules()).why("mqtt:1:1")
