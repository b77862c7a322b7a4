"""What is a sign of a device, and what its twin shows of it."""

from __future__ import annotations

import pytest

from twins.exchange import Result
from twins.instructions import Fact, Instruction, Member, Persist, Roster, StateAnswer, Status
from twins.kubeedge import Reader
from twins.liveness import ATTENDED, Rhythm
from twins.stimuli import Edit, Inferred, Joined, Listed, Missed, Reply, Seen, Stimulus, Updated
from twins.twin import Twins
from twins.values import Twin

S = 1_000_000
NOW = 1_795_243_950 * S
D = "default/d1"
REPORT = {"t": Edit(reported="1")}


def joined(*, strict: bool = False) -> Twins:
    twins = Twins(strict=strict)
    twins.handle(Joined(D, "manifest:1:1", NOW - S, {}))
    return twins


def twin(twins: Twins) -> Twin:
    found = twins.get(D)
    assert found is not None
    return found


def update(after: int = 0, edits: dict[str, Edit | None] | None = None, **more: object) -> Updated:
    seen = NOW + after * S
    return Updated(D, "mqtt:1:7", seen, REPORT if edits is None else edits, seen, **more)  # type: ignore[arg-type]


def said(state: str, after: int = 0, reason: str = "") -> Seen:
    return Seen(D, "mqtt:1:8", NOW + after * S, state, Reply("e"), reason)


def missed(twins: Twins, presence: str, after: int) -> list[Instruction]:
    heard = twin(twins).seen
    return twins.handle(Missed(D, "presence:1:1", NOW + after * S, heard, presence, f"silent for {after} s"))  # type: ignore[arg-type]


def statuses(out: list[Instruction]) -> list[tuple[str, str]]:
    return [(i.before, i.state) for i in out if isinstance(i, Status)]


def facts(out: list[Instruction]) -> list[tuple[str, bool]]:
    return [(i.value, i.changed) for i in out if isinstance(i, Fact) and i.name == "$state"]


@pytest.mark.parametrize(
    "stimulus",
    [
        update(),
        update(edits={}),
        update(edits={"t": None}),
        update(edits={"t": Edit(desired="2"), "u": Edit(reported="1")}),
        said("online"),
        said("unhealthy"),
        Inferred(D, "camera:1:1", NOW, Result(D, "m", "1", 1, NOW, ()), {"count": "1"}, NOW),
    ],
    ids=["a report", "a question for the delta", "a deletion", "both sides", "online", "unhealthy", "what a model saw"],
)
def test_what_a_device_says_is_a_sign_of_it(stimulus: Stimulus) -> None:
    twins = joined()
    out = twins.handle(stimulus)
    state = "unhealthy" if isinstance(stimulus, Seen) and stimulus.state == "unhealthy" else "online"
    assert statuses(out) == [("", state)]
    assert facts(out) == [(state, True)]
    assert twin(twins).seen == NOW
    assert any(isinstance(i, Persist) for i in out)
    assert statuses(twins.handle(stimulus)) == [], "once"


@pytest.mark.parametrize(
    "stimulus",
    [
        update(edits={"t": Edit(desired="2")}),
        update(origin="edge"),
        Joined(D, "manifest:1:2", NOW, {}),
        said("offline"),
        said("unknown"),
    ],
    ids=["an application asks", "a rule", "its manifest", "a last will", "a mapper that lost it"],
)
def test_what_others_say_is_no_sign_of_it(stimulus: Stimulus) -> None:
    twins = joined()
    twins.handle(stimulus)
    assert twin(twins).seen == 0
    assert twin(twins).status != "online"


def test_a_refused_report_is_a_sign_of_its_device_too() -> None:
    twins = joined()
    out = twins.handle(update(edits={"t": Edit(reported="x" * 9000)}))
    assert statuses(out) == [("", "online")]
    assert any(isinstance(i, Persist) for i in out)


def test_a_repeat_is_a_sign_and_still_stored_once() -> None:
    twins = joined()
    twins.handle(update(seq=5, repeats=True))
    missed(twins, "unknown", 100)
    out = twins.handle(update(200, seq=5, repeats=True))
    assert statuses(out) == [("unknown", "online")]
    assert [i.name for i in out if isinstance(i, Fact)] == ["$state"]


def test_a_silent_device_goes_down_the_steps_and_is_back_with_its_next_message() -> None:
    twins = joined()
    twins.handle(update())
    assert statuses(missed(twins, "unknown", 100)) == [("online", "unknown")]
    out = missed(twins, "offline", 300)
    assert (statuses(out), facts(out)) == ([("unknown", "offline")], [("offline", True)])
    assert (twin(twins).status, twin(twins).life.reason) == ("offline", "silent for 300 s")
    assert statuses(twins.handle(update(301))) == [("offline", "online")]
    assert twin(twins).life.reason == ""


def test_silence_counts_for_nothing_when_the_device_spoke_meanwhile() -> None:
    twins = joined()
    twins.handle(update())
    late = Missed(D, "presence:1:1", NOW + 101 * S, NOW, "unknown", "silent for 100 s")
    twins.handle(update(100))
    assert twins.handle(late) == []
    assert twins.handle(Missed("default/gone", "presence:1:1", NOW, 0, "unknown", "silent")) == []


def test_a_last_will_is_offline_at_once_and_silence_does_not_change_its_reason() -> None:
    twins = joined()
    twins.handle(update())
    out = twins.handle(said("offline", 5, "connection lost"))
    assert statuses(out) == [("online", "offline")]
    assert twin(twins).life.reason == "connection lost"
    assert missed(twins, "unknown", 60) == []
    assert statuses(twins.handle(update(61))) == [("offline", "online")], "though it said offline last"


def test_a_last_will_without_words_gets_some() -> None:
    twins = joined()
    twins.handle(said("offline"))
    assert twin(twins).life.reason == "it said so, or its last will did"
    twins.handle(said("online", 1))
    assert twin(twins).life.reason == ""


def test_what_a_device_says_of_its_health_is_kept_over_its_silence() -> None:
    twins = joined()
    twins.handle(said("unhealthy"))
    assert missed(twins, "unknown", 100) != []
    assert (twin(twins).status, twin(twins).state) == ("unknown", "unhealthy")
    assert statuses(twins.handle(update(101))) == [("unknown", "unhealthy")]


def test_a_state_said_again_is_a_point_and_no_change() -> None:
    twins = joined()
    assert facts(twins.handle(said("ok"))) == [("ok", True)]
    out = twins.handle(said("ok", 1))
    assert (facts(out), statuses(out)) == ([("ok", False)], [])


@pytest.mark.parametrize("strict", [False, True])
def test_a_state_update_is_answered_as_it_was_said_whatever_silence_says(strict: bool) -> None:
    twins = joined(strict=strict)
    twins.handle(update())
    missed(twins, "offline", 300)
    (answer,) = [i for i in twins.handle(said("OK", 301)) if isinstance(i, StateAnswer)]
    assert (answer.state, answer.last_online) == ("OK", NOW + 301 * S)


@pytest.mark.parametrize(("strict", "state"), [(False, "offline"), (True, "ok")])
def test_the_roster_shows_what_holds_and_in_strict_mode_what_was_said(strict: bool, state: str) -> None:
    twins = joined(strict=strict)
    twins.handle(said("ok"))
    missed(twins, "offline", 300)
    (roster,) = [i for i in twins.handle(Listed("", "c", NOW, Reply())) if isinstance(i, Roster)]
    assert roster.members == (Member(D, "", state, NOW),)


def test_what_is_known_of_a_device_comes_back_after_a_restart() -> None:
    twins = joined()
    twins.handle(Joined(D, "manifest:1:2", NOW, {}, rhythm=Rhythm(0, 5 * S)))
    for n in range(20):
        twins.handle(update(n * 10))
    again = Twins()
    again.restore({D: twins.encoded(D) or b""}, [])
    assert twin(again).life == twin(twins).life
    assert (twin(again).seen, twin(again).status, twin(again).life.door) == (NOW + 190 * S, "online", "mqtt")


def test_a_manifest_that_says_nothing_of_it_leaves_the_interval() -> None:
    twins = joined()
    twins.handle(Joined(D, "c", NOW, {}, rhythm=ATTENDED))
    twins.handle(Joined(D, "c", NOW, {}))
    assert twin(twins).life.rhythm == ATTENDED
    twins.handle(Joined(D, "c", NOW, {}, rhythm=Rhythm()))
    assert twin(twins).life.rhythm == Rhythm()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"state":"offline","reason":"connection lost"}', "connection lost"),
        (b'{"state":"offline","reason":{"code":5}}', ""),
        (b'{"state":"offline","reason":"' + b"x" * 5000 + b'"}', "x" * 200),
        (b'{"state":"offline"}', ""),
    ],
)
def test_a_last_will_may_say_why_on_the_wire(body: bytes, reason: str) -> None:
    stimulus = Reader("edge-1").read(f"$hw/events/device/{D}/state/update", body, "c", NOW)
    assert isinstance(stimulus, Seen)
    assert (stimulus.state, stimulus.reason) == ("offline", reason)
