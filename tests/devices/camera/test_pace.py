from __future__ import annotations

import itertools
import random

import pytest

from devices.camera.pace import Cap, Playback


class Hand:
    """A clock moved by hand: waiting moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_pictures_of_a_recording_come_at_their_moments():
    hand = Hand()
    playback = Playback(hand.monotonic, hand.wait)
    playback.turn(0.04)
    came = []
    for moment in (7.0, 7.04, 7.5, 8.0):
        playback.await_moment(moment)
        came.append(round(hand.now - 1000, 6))
        hand.now += 0.01  # work between pictures must not add up
    assert came == [0, 0.04, 0.5, 1.0]


def test_passes_follow_each_other_without_a_gap_and_without_drift():
    hand = Hand()
    playback = Playback(hand.monotonic, hand.wait)
    for turn in range(500):
        playback.turn(0.04)
        for index in range(50):
            playback.await_moment(index * 0.04)
            assert hand.now - 1000 == pytest.approx((turn * 50 + index) * 0.04, abs=0.004)
            hand.now += 0.003
        hand.now += 0.02  # opening the file again


def test_pictures_without_time_stamps_come_an_interval_apart():
    hand = Hand()
    playback = Playback(hand.monotonic, hand.wait)
    playback.turn(0.1)
    for _ in range(10):
        playback.await_moment(None)
    assert hand.now - 1000 == pytest.approx(0.9)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 6.0])
def test_a_jump_of_the_time_stamps_costs_no_wait(jump):
    hand = Hand()
    playback = Playback(hand.monotonic, hand.wait)
    playback.turn(0.04)
    for moment in (5000.0, 5000.04, 5000.08 + jump, 5000.12 + jump):
        playback.await_moment(moment)
    assert hand.now - 1000 == pytest.approx(0.08)


def test_after_a_suspension_nothing_is_rushed_through():
    hand = Hand()
    playback = Playback(hand.monotonic, hand.wait)
    playback.turn(0.04)
    playback.await_moment(0.0)
    hand.now += 60
    playback.await_moment(0.04)
    playback.await_moment(0.08)
    assert hand.now - 1000 == pytest.approx(60.04)


@pytest.mark.parametrize(
    ("source", "cap", "wanted"), [(25, 5, 5), (25, 25, 25), (25, 60, 25), (30, 7, 7), (10, 0.5, 0.5)]
)
def test_the_cap_passes_its_rate_evenly(source, cap, wanted):
    jitter = random.Random(7)
    pace = Cap(cap)
    times = [n / source + jitter.uniform(0, 0.2 / source) for n in range(source * 60)]
    chosen = [t for t in times if pace.due(t)]
    assert len(chosen) / 60 == pytest.approx(wanted, rel=0.04)
    gaps = [b - a for a, b in itertools.pairwise(chosen)]
    assert max(gaps) < 1 / wanted + 1.5 / source


def test_after_a_pause_of_the_source_the_cap_does_not_catch_up():
    pace = Cap(5)
    assert pace.due(0.0)
    assert pace.due(100.0)
    assert not pace.due(100.04)
    assert not pace.due(100.1)
    assert pace.due(100.2)
