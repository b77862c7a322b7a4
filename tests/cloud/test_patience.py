from __future__ import annotations

from cloud.patience import LONGEST, Patience


def test_many_silences_at_once_double_the_deadline_once_and_it_has_a_bound():
    patience = Patience(10.0)
    for _ in range(50):
        patience.silent(10.0, 0)
    assert patience.seconds == 20.0
    for _ in range(10):
        patience.silent(patience.seconds, 0)
    assert patience.seconds == LONGEST * 10.0


def test_answers_that_come_late_keep_the_deadline_long_and_quick_ones_make_it_the_usual():
    patience = Patience(10.0)
    patience.answered(35.0)
    assert patience.seconds == 70.0
    patience.answered(0.1)
    assert patience.seconds == 10.0


def test_while_nothing_is_answered_one_of_several_waits_no_longer_than_usual():
    patience = Patience(10.0)
    with patience.deadline() as first, patience.deadline() as second:
        assert (first, second) == ((10.0, 0.0), (10.0, 0.0))
    patience.silent(10.0, 0)
    with patience.deadline() as (alone, again):
        assert alone == 20.0, "else it would never have the time"
        assert again == 20.0, "for the next time, when the deadline is longer"
    with patience.deadline(), patience.deadline() as second, patience.deadline() as third:
        assert (second, third) == ((10.0, 0.0), (20.0, 0.0))
    patience.answered(15.0)
    with patience.deadline() as first, patience.deadline() as second:
        assert (first, second) == ((30.0, 0.0), (30.0, 0.0)), "it is behind, and answers"


def test_a_silence_makes_nobody_wait_longer_while_others_are_answered():
    patience = Patience(10.0)
    before = patience.heard
    patience.answered(0.1)
    patience.silent(10.0, before)
    assert patience.seconds == 10.0
