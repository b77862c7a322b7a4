from __future__ import annotations

import asyncio

from cloud.gate import Gate
from tests.clock import in_virtual_time


@in_virtual_time
async def test_many_go_through_at_once_and_whoever_shuts_it_waits_for_them():
    gate, log = Gate(), []

    async def passer(name: str, after: float) -> None:
        await asyncio.sleep(after)
        async with gate.through():
            log.append(f"{name} in")
            await asyncio.sleep(2)
            log.append(f"{name} out")

    async def keeper() -> None:
        await asyncio.sleep(1)
        async with gate.shut():
            log.append("shut")
            await asyncio.sleep(5)
        log.append("open")

    async with asyncio.TaskGroup() as tasks:
        for name, after in (("a", 0.0), ("b", 0.5), ("c", 1.5)):
            tasks.create_task(passer(name, after))
        tasks.create_task(keeper())
    assert log[:5] == ["a in", "b in", "a out", "b out", "shut"]
    assert sorted(log[5:7]) == ["c in", "open"]
    assert log[7:] == ["c out"]


@in_virtual_time
async def test_a_keeper_who_gives_up_leaves_it_open():
    gate = Gate()
    async with gate.through():
        try:
            async with asyncio.timeout(1), gate.shut():
                raise AssertionError("somebody is inside")
        except TimeoutError:
            pass
        async with asyncio.timeout(1), gate.through():
            pass
