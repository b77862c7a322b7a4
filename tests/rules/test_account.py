"""What is kept of a decision."""

from __future__ import annotations

from msgspec import Struct

from rules.account import GIVEN, LONGEST, MOST, effects, read, written
from rules.explain import Effect, Evaluation, Verdict
from rules.instructions import Command, Decided, Keep, Raise, Wake
from twins.exchange import Decision, Event


class Ring(Struct, frozen=True):
    """An instruction that knows no words here."""

    id: str
    rule: str
    bell: str
    times: int = 0


def evaluation(*verdicts, effects=()):
    return Evaluation(5, "c:1:1", "k", "timer x@7", "A", "B", "go", verdicts, effects, "default/r")


def test_what_is_kept_is_read_back_with_types_and_with_the_topic():
    given = {"t": 81.5, "n": 3.0, "open": True, "mode": 'a"b\n', 'within("night")': False}
    one = evaluation(Verdict("l", "t > n", True, "", given), effects=(Effect("set", "d/pump/speed", "80"),))
    kept = written(one, "a/b")
    found = read(kept)
    assert found is not None
    assert (found.verdicts, found.effects, found.topic) == (one.verdicts, one.effects, "a/b")
    assert [type(value) for value in found.verdicts[0].given.values()] == [float, float, bool, str, bool]
    assert (kept.input, kept.asked, kept.rule, kept.cause) == ("timer x", "\nd/pump/speed\n", "default/r", "c:1:1")


def test_what_is_long_is_cut():
    given = {f"name-{number}": "x" * 500 for number in range(500)}
    verdicts = [Verdict("l", "y" * 1000, False, "", given)] * 500
    wanted = [Effect("alert", "d", "z" * 5000)] * 500
    kept = written(evaluation(*verdicts, effects=tuple(wanted)))
    found = read(kept)
    assert found is not None
    assert (len(found.verdicts), len(found.effects), len(found.verdicts[0].given)) == (MOST, MOST, GIVEN)
    assert {len(found.verdicts[0].source), len(found.effects[0].value)} == {LONGEST}
    assert len(kept.body) < 128 * 1024


def test_what_we_did_not_write_is_no_evaluation():
    for body in ("", "[]", '{"at": "x"}', "null"):
        assert read(Decision(1, "c", "r", "k", "i", "x", "A", "B", "", body)) is None


def test_effects_are_what_is_wanted_of_the_world_and_of_timers_and_variables():
    event = Event("e-1", 5, "alert", "d/t", "warning", "hot", "c")
    wanted = [
        Wake("default/r/k#x", 9),
        Decided("default/r", "k", "go", "A", "B", "c"),
        Command("d/pump", {"speed": "80", "mode": "eco"}, "c", "default/r/k"),
        Raise(event),
        Wake("default/r/k#y", None),
        Keep("default/r/k", b""),
        Ring("i-1", "default/r/k", "front", 3),
    ]
    assert effects(wanted, {"n": 6.0, "ok": True}) == (
        Effect("assign", "n", "6"),
        Effect("assign", "ok", "true"),
        Effect("wake", "x", at=9),
        Effect("set", "d/pump/speed", "80"),
        Effect("set", "d/pump/mode", "eco"),
        Effect("alert", "d/t", "hot", "e-1"),
        Effect("clear", "y"),
        Effect("ring", value="bell front, times 3", id="i-1"),
    )
