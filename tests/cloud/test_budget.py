from __future__ import annotations

from cloud.budget import Budget
from tests.clock import SleepingClock


async def test_a_burst_leaves_at_once_and_the_rest_at_the_rate():
    clock = SleepingClock()
    budget = Budget(25.0, 50, clock)
    for _ in range(50):
        await budget.take()
    assert clock.time == 0.0
    for _ in range(100):
        await budget.take()
    assert abs(clock.time - 4.0) < 0.01


async def test_an_idle_budget_saves_no_more_than_its_burst():
    clock = SleepingClock()
    budget = Budget(10.0, 5, clock)
    clock.time = 1000.0
    for _ in range(6):
        await budget.take()
    assert abs(clock.time - 1000.1) < 0.01
