"""What is known of series: points in, scores and limits out; versions, restarts, devices that leave."""

from __future__ import annotations

import math

import msgspec
import pytest

from learning.knowledge import Knowledge
from learning.lesson import BASELINE, TRAIL
from learning.norm import Ewma, Norm, Robust, Seasonal, Slot
from tests.learning.lessons import SERIES, lesson, taught
from twins.exchange import Point

NORM = Robust(20.0, 1.0, 3.5)
FOLLOWING = Ewma(20.0, 1.0, 0.1, 3.5, 0.0)
MONDAY = 1_795_392_000_000_000
"""2026-11-23 00:00 UTC."""
HOUR = 3_600_000_000


def known(norm: Norm = NORM, zone: str = "UTC") -> Knowledge:
    knowledge = Knowledge(zone)
    knowledge.apply("Baseline", "default/usual", holds=True)
    knowledge.learn(taught(norm))
    return knowledge


def point(number: float | None, at: int = MONDAY, series: str = SERIES) -> Point:
    return Point(series, at, 7, number, None if number is not None else "text")


def told(knowledge: Knowledge, number: float, at: int = MONDAY) -> dict[str, float | None]:
    return {made.series.removeprefix(f"{SERIES}."): made.number for made in knowledge.take(point(number, at))}


def test_a_point_gets_a_score_and_limits_are_told_when_they_move() -> None:
    knowledge = known()
    assert told(knowledge, 21.0) == {"anomaly": 1.0, "low": 16.5, "high": 23.5}
    assert told(knowledge, 24.0) == {"anomaly": 4.0}
    knowledge.learn(taught(Robust(30.0, 1.0, 3.5), 2))
    assert told(knowledge, 30.0) == {"anomaly": 0.0, "low": 26.5, "high": 33.5}
    assert (knowledge.counts.scored, knowledge.counts.beyond) == (3, 1)


def test_a_score_is_of_its_points_time_and_number_so_a_repeat_is_the_same_point() -> None:
    score = known().take(point(21.0))[0]
    assert (score.at, score.seq) == (MONDAY, 7)


@pytest.mark.parametrize("number", [None, math.nan, math.inf])
def test_what_is_no_number_has_no_score(number: float | None) -> None:
    assert known().take(point(number)) == ()


def test_other_series_have_none() -> None:
    assert known().take(point(21.0, series="default/d/other")) == ()


def test_hours_are_those_of_the_nodes_time_zone() -> None:
    slots = tuple(Slot(hour - 0.5, hour, hour + 0.5, 99) for hour in map(float, range(168)))
    knowledge = known(Seasonal("1w", slots, 3.5), "Asia/Kathmandu")  # 5:45 ahead
    assert told(knowledge, 6.0, MONDAY + 15 * HOUR // 60)["anomaly"] == 0.0
    assert told(knowledge, 5.0, MONDAY + 14 * HOUR // 60)["anomaly"] == 0.0
    assert told(knowledge, 0.0, MONDAY - 5 * HOUR - HOUR // 2)["anomaly"] == 0.0


@pytest.mark.parametrize("at", [-(2**62), 2**62])
def test_a_wild_time_is_scored_too(at: int) -> None:
    assert told(known(), 20.0, at)["anomaly"] == 0.0


def test_for_a_manifest_that_is_gone_nothing_is_learned() -> None:
    knowledge = Knowledge()
    knowledge.learn(taught(NORM))
    assert knowledge.take(point(21.0)) == ()
    assert knowledge.changes() == {}


def test_with_its_manifest_goes_what_was_learned() -> None:
    knowledge = known(FOLLOWING)
    told(knowledge, 21.0)
    assert set(knowledge.changes()) == {BASELINE + SERIES, TRAIL + SERIES}
    knowledge.apply("Baseline", "default/usual", holds=False)
    assert knowledge.changes() == {BASELINE + SERIES: None, TRAIL + SERIES: None}
    assert told(knowledge, 21.0) == {}


def test_with_its_device_goes_what_was_learned_and_no_other() -> None:
    knowledge = known()
    knowledge.learn({f"{BASELINE}default/d2/t": lesson(NORM).body})
    knowledge.forget("default/d")
    assert list(knowledge.lessons) == [f"{BASELINE}default/d2/t"]


def test_after_a_restart_it_scores_as_if_there_had_been_none() -> None:
    one = known(FOLLOWING)
    for number in (20.0, 24.0, 22.0):
        told(one, number)
    rows = {key: body for key, body in one.changes().items() if body is not None}
    other = Knowledge()
    assert other.restore([("Baseline", "default/usual")], rows) == []
    assert told(other, 23.0)["anomaly"] == told(one, 23.0)["anomaly"]
    assert set(other.changes()) == {TRAIL + SERIES}


def test_the_trail_of_another_version_is_left() -> None:
    one = known(FOLLOWING)
    told(one, 40.0)
    rows = {key: body for key, body in one.changes().items() if body is not None}
    rows |= {BASELINE + SERIES: lesson(Ewma(0.0, 1.0, 0.1, 3.5, 0.0), 2).body}
    other = Knowledge()
    other.restore([("Baseline", "default/usual")], rows)
    assert told(other, 0.0)["anomaly"] == 0.0


@pytest.mark.parametrize("row", [BASELINE, TRAIL])
def test_what_cannot_be_read_is_told_or_left_and_learned_anew(row: str) -> None:
    one = known(FOLLOWING)
    told(one, 21.0)
    rows = {key: body for key, body in one.changes().items() if body is not None} | {row + SERIES: b"\xff"}
    other = Knowledge()
    faults = other.restore([("Baseline", "default/usual")], rows)
    assert len(faults) == (row == BASELINE)
    assert other.changes()[row + SERIES] is None


def test_a_later_version_counts_on_and_going_back_holds() -> None:
    first = lesson(NORM)
    same = first.next(msgspec.structs.replace(first.current, at=9))
    assert (same.current.number, same.current.at, same.previous) == (1, 9, None)
    second = first.next(lesson(Robust(0.0, 1.0, 3.5)).current)
    assert (second.current.number, second.previous) == (2, first.current)
    assert second.current.digest != first.current.digest
    back = second.back()
    assert back is not None
    assert (back.current.number, back.held) == (1, True)
    third = back.next(lesson(Robust(9.0, 1.0, 3.5)).current)
    assert (third.current.number, third.held) == (3, False)
    assert first.back() is None
