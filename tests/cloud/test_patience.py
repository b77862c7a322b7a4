from __future__ import annotations

from cloud.patience import LONGEST, Patience


def test_many_silences_at_once_double_the_deadline_once_and_it_has_a_bound():
    patience = Patience(10.0)
    for _ in range(50):
        patience.silent(10.0)
    assert patience.seconds == 20.0
    for _ in range(10):
        patience.silent(patience.seconds)
    assert patience.seconds == LONGEST * 10.0


def test_answers_that_come_late_keep_the_deadline_long_and_quick_ones_make_it_the_usual():
    patience = Patience(10.0)
    patience.answered(35.0)
    assert patience.seconds == 70.0
    patience.answered(0.1)
    assert patience.seconds == 10.0
