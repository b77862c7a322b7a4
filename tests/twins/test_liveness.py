"""Liveness is pure: what is learned, and what silence means, whatever comes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.errors import Rejected
from twins.liveness import ATTENDED, NEVER, SHORTEST, Life, Limits, Rhythm, judge, rhythm, shown, words

S = 1_000_000
NOW = 1_795_243_950 * S
LIMITS = Limits(interval=30.0, unknown_after=3.0, offline_after=10.0)
gaps = st.lists(st.integers(0, 10**11), min_size=1, max_size=60)


def lived(*gaps: float, rhythm: Rhythm | None = None) -> tuple[Life, int]:
    """A device after messages with so many seconds between them, and when it was heard last."""
    life, at = Life("online", rhythm=rhythm or Rhythm()), NOW
    for gap in gaps:
        life.learn(round(gap * S))
        at += round(gap * S)
    return life, at


def story(life: Life, seen: int, seconds: range, since: int = 0) -> list[str]:
    """What is concluded while it stays silent, each conclusion once."""
    told = [judge(life, seen, seen + s * S, since, LIMITS).presence for s in seconds]
    return list(dict.fromkeys(told))


# -- what is learned -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [2, 10, 60, 3600, 86_400])
def test_the_period_of_a_regular_device_is_learned(period: int) -> None:
    life, _ = lived(*[period] * 30)
    interval, known = life.interval(30.0)
    assert interval == pytest.approx(period * S, rel=0.01)
    assert known == "it usually speaks"


def test_a_device_that_speaks_at_random_is_given_more_than_its_mean() -> None:
    dice = random.Random(7)
    life, seen, missed = Life(), NOW, 0
    for count in range(20_000):
        gap = round(dice.expovariate(1 / 20) * S)
        missed += count > 100 and gap > 3 * life.interval(30.0)[0]
        life.learn(gap)
        seen += gap
    assert 30 * S < life.usual < 90 * S
    assert missed < 40, "one in five hundred is taken for silence at most"


@given(gaps)
def test_nothing_lowers_the_interval_by_more_than_an_eighth_of_the_time_it_took(gaps: list[int]) -> None:
    """So a burst is no reason to expect a device sooner."""
    life = Life(usual=3_600 * S)
    for gap in gaps:
        before = life.usual
        life.learn(gap)
        assert life.usual >= before - gap / 8 - 1
        assert SHORTEST <= life.usual <= 5 * before / 2, "and one message raises it by half as much again and its own"


def test_a_thousand_messages_in_a_second_take_an_eighth_of_a_second_off_it() -> None:
    life, _ = lived(*[60] * 30, *[0.001] * 1000)
    assert 59.8 * S < life.usual < 60 * S


def test_a_device_that_tells_its_values_one_by_one_is_expected_once_in_a_round() -> None:
    life, _ = lived(*[0.002, 0.001, 0.003, 0.001, 10] * 20)
    assert life.usual == pytest.approx(10 * S, rel=0.02)


def test_one_outage_teaches_little_and_is_forgotten() -> None:
    life, _ = lived(*[10] * 30, 8 * 3600)
    assert life.usual <= 25 * S
    for _ in range(60):
        life.learn(10 * S)
    assert life.usual < 10.5 * S


def test_a_device_that_slows_down_or_speeds_up_is_followed() -> None:
    life, _ = lived(*[10] * 30, *[60] * 8)
    assert life.usual == pytest.approx(60 * S, rel=0.05)
    for _ in range(600):
        life.learn(S)
    assert life.usual < 3 * S


@given(st.integers(-(10**12), 0))
def test_a_clock_that_went_back_teaches_nothing(gap: int) -> None:
    life = Life(usual=10 * S)
    life.learn(gap)
    assert life.usual == 10 * S


# -- which interval counts -----------------------------------------------------------------------------------------


def test_an_interval_is_assumed_until_eight_were_heard() -> None:
    life, _ = lived(5, 5, 5)
    assert life.interval(30.0) == (30 * S, "it is assumed to speak")
    life, _ = lived(*[5] * 9)
    assert life.interval(30.0)[1] == "it usually speaks"
    life, _ = lived(3600)
    assert life.interval(1.0)[0] == life.usual, "what was learned so far, when that is longer"


def test_what_an_annotation_declares_holds_and_a_cycle_is_the_least() -> None:
    life, _ = lived(*[60] * 30, rhythm=Rhythm(10 * S))
    assert life.interval(30.0) == (10 * S, "it should speak")
    life, _ = lived(*[60] * 30, rhythm=Rhythm(0, 10 * S))
    assert life.interval(30.0)[0] == pytest.approx(60 * S, rel=0.01)
    life, _ = lived(*[5] * 30, rhythm=Rhythm(0, 20 * S))
    assert life.interval(30.0)[0] == 20 * S
    life, _ = lived(rhythm=Rhythm(0, 20 * S))
    assert life.interval(30.0) == (20 * S, "it should speak")


def test_a_manifest_declares_by_annotation_or_by_its_shortest_cycle() -> None:
    assert rhythm({}, []) == Rhythm()
    assert rhythm({}, [0, 10_000, 1_000]) == Rhythm(0, S)
    assert rhythm({"gemelo.dev/interval": "0.5"}, [10_000]) == Rhythm(S // 2, 10 * S)
    assert rhythm({"gemelo.dev/interval": "never"}, []) == ATTENDED


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "nan", "inf", "10s"])
def test_an_annotation_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    if not text:
        assert rhythm({"gemelo.dev/interval": text}, []) == Rhythm()
        return
    with pytest.raises(Rejected, match="neither a number of seconds nor never"):
        rhythm({"gemelo.dev/interval": text}, [])


# -- what silence means --------------------------------------------------------------------------------------------


def test_silence_makes_online_unknown_and_then_offline() -> None:
    life, seen = lived(*[10] * 30)
    assert story(life, seen, range(200)) == ["online", "unknown", "offline"]
    assert judge(life, seen, seen + 29 * S, 0, LIMITS).presence == "online"
    verdict = judge(life, seen, seen + 95 * S, 0, LIMITS)
    assert (verdict.presence, verdict.reason) == ("unknown", "silent for 95 s; it usually speaks every 10 s")
    assert judge(life, seen, seen + 150 * S, 0, LIMITS).reason == "silent for 2 min; it usually speaks every 10 s"


@given(gaps, st.integers(0, 10**12), st.booleans(), st.integers(0, 10**12), st.sampled_from([0, NEVER, 5 * S]))
def test_a_verdict_comes_with_the_time_at_which_it_changes(
    gaps: list[int], quiet: int, deaf: bool, since: int, declared: int
) -> None:
    life, seen = lived(*[gap / S for gap in gaps], rhythm=Rhythm(declared))
    listening, why = seen - 10**12 + since, "the broker is away" if deaf else ""

    def at(now: int) -> str:
        return judge(life, seen, now, listening, LIMITS, why).presence

    now = max(seen, listening) + quiet
    verdict = judge(life, seen, now, listening, LIMITS, why)
    order = ["online", "unknown", "offline"]
    assert order.index(at(now + 1 + quiet)) >= order.index(verdict.presence), "silence makes nothing better"
    assert verdict.due > now
    if verdict.presence == "online":
        assert verdict.due - max(seen, listening) >= 3 * SHORTEST, "never within an interval"
        assert at(verdict.due - 1) == "online"
    assert (verdict.presence == "online") == (verdict.reason == "")
    if deaf or declared == NEVER:
        assert verdict.presence != "offline"


def test_silence_before_we_listened_is_not_the_devices() -> None:
    life, seen = lived(*[10] * 30)
    start = seen + 8 * 3600 * S
    assert judge(life, seen, start + 29 * S, start, LIMITS).presence == "online"
    verdict = judge(life, seen, start + 40 * S, start, LIMITS)
    assert verdict.reason == "not heard in the 40 s since we listen again; it usually speaks every 10 s"
    assert judge(life, seen, start + 101 * S, start, LIMITS).presence == "offline"


def test_a_device_heard_in_the_future_is_one_whose_clock_we_lost() -> None:
    life, seen = lived(*[10] * 30)
    now = seen - 3600 * S
    assert judge(life, seen, now, now, LIMITS).due == now + judge(life, seen, seen, 0, LIMITS).due - seen


def test_while_its_door_hears_nothing_a_device_is_unknown_at_most() -> None:
    life, seen = lived(*[10] * 30)
    verdict = judge(life, seen, seen + 10**12, 0, LIMITS, "the broker is away")
    assert (verdict.presence, verdict.reason) == ("unknown", "the broker is away")


def test_a_device_that_need_not_speak_is_online_unless_it_did_not_come_back_after_a_start() -> None:
    life, seen = lived(*[10] * 30, rhythm=ATTENDED)
    assert story(life, seen, range(0, 10**6, 1000)) == ["online"]
    assert story(life, seen, range(600), since=seen + 1) == ["online", "unknown"]


# -- what is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "presence", "state"),
    [
        ("", "", ""),
        ("", "online", "online"),
        ("ok", "online", "ok"),
        ("Unhealthy", "online", "Unhealthy"),
        ("OFFLINE", "offline", "OFFLINE"),
        ("offline", "online", "online"),
        ("unknown", "online", "online"),
        ("ok", "unknown", "unknown"),
        ("unhealthy", "offline", "offline"),
        ("online", "", "online"),
    ],
)
def test_what_a_device_says_of_itself_holds_until_it_is_heard_or_falls_silent(said, presence, state) -> None:
    assert shown(said, presence) == state


def test_spans_are_told_as_people_tell_them() -> None:
    spans = [0, 95 * S, 120 * S, 3600 * S, 7200 * S, 3 * 86_400 * S]
    assert [words(span) for span in spans] == ["0 s", "95 s", "2 min", "60 min", "2 h", "3 d"]
