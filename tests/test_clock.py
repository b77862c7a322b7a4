from __future__ import annotations

import asyncio
import time

import pytest

from tests.clock import START, JumpingLoop, VirtualClock, in_virtual_time
from tests.crowding import crowding


@in_virtual_time
async def test_an_hour_passes_at_once_and_in_order() -> None:
    clock, woken = VirtualClock(), []
    began = time.monotonic()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now() - START))

    async with asyncio.TaskGroup() as group:
        for seconds in (3600.0, 1.5, 60.0):
            group.create_task(sleep(seconds))
    assert woken == [(1.5, 1_500_000), (60.0, 60_000_000), (3600.0, 3_600_000_000)]
    assert time.monotonic() - began < 1.0 * crowding()


@in_virtual_time
async def test_a_timeout_falls_due_in_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == 1000


def test_a_test_that_nothing_will_wake_is_ended() -> None:
    loop = JumpingLoop()
    with pytest.raises(RuntimeError, match="nothing will bring"):
        loop.run_until_complete(asyncio.Event().wait())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
