"""Each kind of fault is found, alone; and nothing else is said of a sound run."""

from __future__ import annotations

from collections import Counter

import pytest

from simulator.ledger.balance import Balance, same, weigh_cloud, weigh_frames, weigh_points
from simulator.ledger.claims import Claims, Frames, Message

PUMP = "default/pump-1"


def message(at: int, fate: str = "accepted", value: str = "1.0", device: str = PUMP) -> Message:
    return Message(device, at, {"flow": value}, fate == "handed", fate)


def weighed(messages: list[Message], there: dict[int, int] | None = None, *, values=None, killed=False) -> Balance:
    """`there`: how often the value of each time is in the store (default: once each); `values`: other values."""
    claims = Claims({f"e-{m.at}": m for m in messages})
    count = Counter({(m.device, "flow", m.at): 1 for m in messages})
    value = {(m.device, "flow", m.at): float(m.values["flow"]) for m in messages}
    for at, times in (there or {}).items():
        count[PUMP, "flow", at] = times
    value |= {(PUMP, "flow", at): said for at, said in (values or {}).items()}
    balance = Balance()
    weigh_points(balance, claims, +count, value, broker_killed=killed)
    return balance


def faults(balance: Balance) -> dict[str, int]:
    names = ("lost", "doubled", "wrong", "strange", "cloud_lacks", "unconfirmed")
    return {name: getattr(balance, name) for name in names if getattr(balance, name)}


def test_a_run_without_a_fault_is_sound_and_every_message_is_counted_once():
    balance = weighed([message(1), message(2, "handed"), message(3)])
    assert (balance.offered, balance.accepted, balance.stored, faults(balance)) == (3, 3, 3, {})
    assert balance.sound
    assert balance.as_json()["sound"] is True


def test_an_accepted_value_that_is_not_there_is_lost_and_named():
    balance = weighed([message(1), message(2)], {2: 0})
    assert faults(balance) == {"lost": 1}
    assert not balance.sound
    assert balance.examples == ["lost: e-2 of default/pump-1 (accepted)"]


def test_a_message_of_which_one_value_of_two_is_missing_is_lost():
    claims = Claims({"e": Message(PUMP, 1, {"flow": "1", "speed": "2"}, False, "accepted")})
    balance = Balance()
    weigh_points(balance, claims, Counter({(PUMP, "flow", 1): 1}), {(PUMP, "flow", 1): 1.0}, broker_killed=False)
    assert (balance.lost, balance.stored) == (1, 0)


def test_a_killed_broker_excuses_no_accepted_update():
    assert faults(weighed([message(1)], {1: 0}, killed=True)) == {"lost": 1}


def test_telemetry_that_a_living_broker_had_and_that_is_not_there_is_lost():
    assert faults(weighed([message(1, "handed")], {1: 0})) == {"lost": 1}


def test_telemetry_that_a_killed_broker_had_is_unconfirmed_only_where_it_is_missing():
    balance = weighed([message(1, "handed"), message(2, "handed")], {1: 0}, killed=True)
    assert faults(balance) == {"unconfirmed": 1}
    assert (balance.accepted, balance.stored, balance.sound) == (1, 1, True)


def test_an_unanswered_update_is_unconfirmed_there_or_not():
    balance = weighed([message(1, "unanswered"), message(2, "unanswered")], {1: 0})
    assert faults(balance) == {"unconfirmed": 2}
    assert (balance.stored, balance.accepted, balance.sound) == (1, 0, True)


def test_a_value_that_is_there_twice_is_doubled():
    assert faults(weighed([message(1), message(2)], {2: 2})) == {"doubled": 1}


def test_a_value_that_came_back_as_another_is_wrong():
    assert faults(weighed([message(1)], values={1: 2.0})) == {"wrong": 1}
    assert faults(weighed([message(1)], values={1: None})) == {"wrong": 1}


def test_a_value_that_nobody_sent_is_strange_if_it_is_of_a_device_of_the_fleet():
    assert faults(weighed([message(1)], {9: 1})) == {"strange": 1}
    balance = Balance()
    claims = Claims({"e": message(1)})
    count = Counter({(PUMP, "flow", 1): 1, ("default/mine", "x", 1): 1, (PUMP, "$state", 5): 1})
    weigh_points(balance, claims, count, {(PUMP, "flow", 1): 1.0}, broker_killed=False)
    assert faults(balance) == {}


def test_a_refused_message_is_counted_and_strange_if_it_is_there_all_the_same():
    balance = weighed([message(1, "rejected"), message(2, "rejected")], {1: 0})
    assert (balance.rejected, faults(balance)) == (2, {"strange": 1})


def test_examples_end_after_twenty_and_counts_do_not():
    balance = weighed([message(at) for at in range(1, 101)], dict.fromkeys(range(1, 101), 0))
    assert (balance.lost, len(balance.examples)) == (100, 20)


def test_frames_are_held_against_their_results():
    told = {1: "OK", 2: "NO_FACE", 3: "OK", 4: "OK", 5: "BUSY", 6: "sent"}
    balance = Balance()
    weigh_frames(balance, Frames("phone-1", told), Counter({1: 1, 2: 1, 4: 2, 9: 1}))
    assert (balance.offered, balance.accepted, balance.rejected, balance.stored) == (6, 4, 1, 3)
    assert faults(balance) == {"lost": 1, "doubled": 1, "strange": 1, "unconfirmed": 1}
    assert balance.offered == balance.accepted + balance.rejected + balance.unconfirmed


def test_the_cloud_must_have_the_last_value_that_was_told_kept():
    claims = Claims({"a": message(1, value="1"), "b": message(2, value="2.50")})
    for there, lacks in (("2.50", 0), ("1", 1), ("", 1)):
        balance = Balance()
        weigh_cloud(balance, claims, {(PUMP, "flow"): there})
        assert balance.cloud_lacks == lacks
    balance = Balance()
    weigh_cloud(balance, claims, {})
    assert not balance.sound


def test_a_later_value_that_was_never_answered_may_be_in_the_cloud_and_an_earlier_may_not():
    claims = Claims(
        {"a": message(5, value="1"), "b": message(6, "unanswered", "2"), "c": message(4, "unanswered", "3")}
    )
    for there, lacks in (("1", 0), ("2", 0), ("3", 1)):
        balance = Balance()
        weigh_cloud(balance, claims, {(PUMP, "flow"): there})
        assert balance.cloud_lacks == lacks


@pytest.mark.parametrize(
    ("said", "stored", "agrees"),
    [
        ("1", 1.0, True),
        ("1.50", 1.5, True),
        ("true", 1.0, True),
        ("false", 0.0, True),
        ("true", 0.0, False),
        ("auto", "auto", True),
        ("auto", 1.0, False),
        ("1", "1", True),
        ("1", None, False),
        ("nan", float("nan"), False),
    ],
)
def test_a_value_is_the_same_by_what_it_means(said, stored, agrees):
    assert same(said, stored) is agrees
