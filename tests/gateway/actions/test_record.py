from __future__ import annotations

import json

from gateway.actions.record import MINUTE, TOLD, Done, Outcome, Teller, point

ID = "0123456789abcdef01234567"


def done(outcome: Outcome = "done", rule: str = "default/rule/default/d1", ident: str = ID) -> Done:
    return Done(ident, rule, "mqtt:1:1", 7, "POST http://x", outcome, "answered 204", 2)


def test_the_record_of_an_action_is_one_point_however_often_it_is_written() -> None:
    assert point(done()) == point(done())
    made = point(done())
    assert (made.series, made.at, made.number) == ("default/rule/$action", 7, None)
    assert json.loads(made.text or "") == {
        "id": ID,
        "instance": "default/d1",
        "action": "POST http://x",
        "outcome": "done",
        "why": "answered 204",
        "cause": "mqtt:1:1",
        "tries": "2",
    }
    assert point(done(ident="f" * 24)).seq < 2**63


def test_the_first_of_a_minute_are_told_one_by_one_and_the_others_in_one_line() -> None:
    teller = Teller()
    assert teller.due(MINUTE) == []
    told = [event for n in range(TOLD + 5) for event in teller.tell(done("failed" if n % 2 else "done"))]
    assert len(told) == TOLD
    assert told[0].message == "POST http://x for default/d1: done after 2 tries: answered 204"
    assert (told[0].severity, told[1].severity) == ("info", "warning")
    assert (told[0].object, told[0].cause, told[0].detail["id"]) == ("default/rule", "mqtt:1:1", ID)
    assert teller.tell(done(rule="default/other/x")) != []
    assert teller.due(MINUTE + 1) == []
    (more,) = teller.due(2 * MINUTE)
    assert (more.object, more.message) == ("default/rule", "5 more actions in the last minute: 3 done, 2 not")
    assert teller.due(3 * MINUTE) == []
    assert teller.tell(done()) != []
