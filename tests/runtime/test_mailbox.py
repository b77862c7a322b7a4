from __future__ import annotations

import asyncio
import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.mailbox import Closed, Mailbox, Policy


def balanced(box: Mailbox[object]) -> bool:
    s = box.statistics
    return s.offered == s.taken + s.dropped + s.refused + s.depth + s.waiting


async def test_take_gives_all_there_is_up_to_its_limit() -> None:
    box = Mailbox[int]("b", 10)
    for n in range(5):
        await box.put(n)
    assert await box.take(3) == [0, 1, 2]
    assert await box.take(10) == [3, 4]
    assert len(box) == 0


async def test_a_taker_waits_for_the_first_item() -> None:
    box = Mailbox[int]("b", 10)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        taken = group.create_task(box.take(10))
        await asyncio.sleep(0)
        box.offer_nowait(7)
    assert taken.result() == [7]


async def test_a_full_box_that_waits_serves_producers_in_their_order_and_lets_nobody_in_between() -> None:
    box = Mailbox[int]("b", 1)
    await box.put(0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for n in (1, 2):
            group.create_task(box.put(n))
        await asyncio.sleep(0)
        assert box.statistics.waiting == 2
        assert await box.take() == [0]
        assert not box.offer_nowait(9)
        assert [await box.take(), await box.take()] == [[1], [2]]
    assert box.statistics.refused == 1
    assert balanced(box)


async def test_a_cancelled_producer_puts_nothing_and_is_counted() -> None:
    box = Mailbox[int]("b", 1)
    await box.put(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await box.put(1)
    assert (await box.take(5), box.statistics.refused, box.statistics.waiting) == ([0], 1, 0)
    assert balanced(box)


async def test_a_cancelled_taker_passes_its_call_on() -> None:
    box = Mailbox[int]("b", 1)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first, second = group.create_task(box.take()), group.create_task(box.take())
        await asyncio.sleep(0)
        box.offer_nowait(1)
        first.cancel()
    assert second.result() == [1]


async def test_drop_oldest_makes_room_and_counts() -> None:
    box = Mailbox[int]("b", 2, Policy.DROP_OLDEST)
    for n in range(5):
        await box.put(n)
    assert await box.take(5) == [3, 4]
    assert (box.statistics.dropped, box.statistics.high) == (3, 2)
    assert balanced(box)


async def test_keep_latest_replaces_in_place_so_that_a_busy_key_starves_nobody() -> None:
    box = Mailbox[tuple[str, int]]("b", 2, Policy.KEEP_LATEST, key=lambda item: item[0])
    for item in [("a", 1), ("b", 1), ("b", 2), ("a", 2)]:
        assert box.offer_nowait(item)
    assert await box.take() == [("a", 2)]
    for item in [("c", 1), ("d", 1)]:
        await box.put(item)
    assert await box.take(5) == [("c", 1), ("d", 1)]
    assert balanced(box)


async def test_a_closed_box_refuses_and_is_drained() -> None:
    box = Mailbox[int]("b", 1)
    await box.put(1)

    async def wait_in_vain() -> None:
        with pytest.raises(Closed):
            await box.put(2)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(wait_in_vain())
        await asyncio.sleep(0)
        box.close()
    with pytest.raises(Closed):
        await box.put(3)
    assert not box.offer_nowait(4)
    assert [await box.take(5), await box.take(5)] == [[1], []]
    assert balanced(box)


async def test_closing_wakes_a_waiting_taker() -> None:
    box = Mailbox[int]("b", 1)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        taken = group.create_task(box.take())
        await asyncio.sleep(0)
        box.close()
    assert taken.result() == []


@pytest.mark.parametrize(("size", "policy"), [(0, Policy.WAIT), (1, Policy.KEEP_LATEST)])
def test_a_box_without_room_or_key_is_refused(size: int, policy: Policy) -> None:
    with pytest.raises(ValueError, match="room"):
        Mailbox[int]("b", size, policy)


@given(st.integers(1, 4), st.sampled_from([Policy.WAIT, Policy.DROP_OLDEST]), st.lists(st.integers(0, 9), max_size=40))
def test_the_counts_balance_and_order_is_kept(size: int, policy: Policy, steps: list[int]) -> None:
    async def play() -> None:
        box = Mailbox[int]("b", size, policy)
        model: deque[int] = deque(maxlen=size)
        for n, step in enumerate(steps):
            if step < 7:
                if box.offer_nowait(n):
                    model.append(n)
            elif model:
                assert await box.take(step - 6) == [model.popleft() for _ in range(min(step - 6, len(model)))]
            assert balanced(box)
            assert len(box) == len(model) <= size

    asyncio.run(play())


async def test_it_carries_far_more_than_twenty_thousand_items_a_second() -> None:
    box = Mailbox[int]("b", 256)
    count = 50_000

    async def produce() -> None:
        for n in range(count):
            await box.put(n)

    got: list[int] = []
    started = time.perf_counter()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(produce())
        while len(got) < count:
            got += await box.take(256)
    assert got == list(range(count))
    assert count / (time.perf_counter() - started) > 40_000
