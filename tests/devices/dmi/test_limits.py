from __future__ import annotations

from devices.dmi.limits import KEPT, Limits


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    limits = Limits(rate=2.0, burst=3)
    assert [limits.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [limits.take("a", 0.5) for _ in range(2)] == [True, False]
    assert sum(limits.take("a", 100.0) for _ in range(10)) == 3


def test_one_that_spends_all_takes_nothing_from_another() -> None:
    limits = Limits(rate=1.0, burst=1)
    while limits.take("a", 0.0):
        pass
    assert limits.take("b", 0.0)


def test_names_without_number_cost_no_memory_and_give_nobody_a_new_burst() -> None:
    limits = Limits(rate=1.0, burst=2)
    assert [limits.take("flood", 0.0) for _ in range(3)] == [True, True, False]
    for n in range(3 * KEPT):
        assert limits.take(f"name-{n}", float(n))
    assert len(limits._buckets) <= KEPT
