"""Advice to phones: pure."""

from __future__ import annotations

from devices.offload.advice import Advice


def test_drops_for_load_lower_the_advice_by_part_and_their_end_raises_it_step_by_step() -> None:
    advice = Advice(30.0)
    assert advice.hear(answered=30, dropped=2) is None, "a few drops are tolerated"
    assert advice.hear(answered=30, dropped=10) == 21.0
    assert advice.hear(answered=20, dropped=10) == 21.0 * 0.7
    raised = [advice.hear(answered=20, dropped=0) for _ in range(7)]
    assert raised[0] is not None
    assert abs(raised[0] - 17.7) < 1e-9
    assert raised[5:] == [30.0, None], "told once that all is well again"


def test_a_silent_second_says_nothing_new() -> None:
    advice = Advice(10.0)
    advice.hear(answered=10, dropped=10)
    assert advice.hear(answered=0, dropped=0) == 7.0


def test_nobody_is_advised_below_one_frame_a_second_nor_above_what_it_wants() -> None:
    for wanted, least in [(10.0, 1.0), (0.5, 0.5)]:
        advice = Advice(wanted)
        for _ in range(20):
            advice.hear(answered=5, dropped=5)
        assert (advice.hear(answered=5, dropped=5) or wanted) == least


def test_a_phone_that_does_not_say_what_it_wants_gets_no_advice() -> None:
    assert Advice(0.0).hear(answered=10, dropped=10) is None
