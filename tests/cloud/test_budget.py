from __future__ import annotations

from cloud.budget import Budget


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> int:
        return int(self.time * 1e6)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


async def test_a_burst_leaves_at_once_and_the_rest_at_the_rate():
    clock = Clock()
    budget = Budget(25.0, 50, clock)
    for _ in range(50):
        await budget.take()
    assert clock.time == 0.0
    for _ in range(100):
        await budget.take()
    assert abs(clock.time - 4.0) < 0.01


async def test_an_idle_budget_saves_no_more_than_its_burst():
    clock = Clock()
    budget = Budget(10.0, 5, clock)
    clock.time = 1000.0
    for _ in range(6):
        await budget.take()
    assert abs(clock.time - 1000.1) < 0.01
