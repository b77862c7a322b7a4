from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from runtime.backoff import Backoff
from runtime.supervision import Part, Supervisor
from tests.clock import SleepingClock


class Away(Exception):
    pass


async def forever() -> None:
    await asyncio.Event().wait()


def supervisor(clock: SleepingClock, **options: object) -> Supervisor:
    return Supervisor(clock, transient=Away, **options)  # type: ignore[arg-type]


async def test_a_part_whose_peer_is_away_is_tried_again_and_counted(clock: SleepingClock) -> None:
    runs: list[float] = []

    async def flaky() -> None:
        runs.append(clock.time)
        if len(runs) < 4:
            raise Away("no route")
        sup.stop()

    sup = supervisor(clock)
    sup.add(Part("cloud", flaky))
    async with asyncio.timeout(5):
        await sup.run()
    assert len(runs) == 4
    assert (sup.health[0].state, sup.health[0].restarts) == ("done", 3)
    assert len(clock.slept) == 3


async def test_a_part_whose_own_group_says_that_a_peer_is_away_is_tried_again(clock: SleepingClock) -> None:
    runs: list[int] = []

    async def away() -> None:
        raise Away("no broker")

    async def part() -> None:
        runs.append(1)
        if len(runs) == 3:
            sup.stop()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(away())
            group.create_task(forever())

    sup = supervisor(clock)
    sup.add(Part("mqtt", part))
    sup.add(Part("core", forever))
    async with asyncio.timeout(5):
        await sup.run()
    assert (len(runs), sup.health[0].restarts) == (3, 2)


async def test_a_group_that_holds_anything_worse_ends_all(clock: SleepingClock) -> None:
    async def part() -> None:
        raise ExceptionGroup("both", [Away("no broker"), ExceptionGroup("worse", [AssertionError("upside down")])])

    sup = supervisor(clock)
    sup.add(Part("mqtt", part))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await sup.run()
    assert caught.group_contains(AssertionError, match="upside down")


async def test_the_backoff_starts_anew_after_a_part_ran_for_long(clock: SleepingClock) -> None:
    tries: list[int] = []
    backoffs: list[Backoff] = []

    def backoff() -> Backoff:
        backoffs.append(Backoff())
        return backoffs[-1]

    async def part() -> None:
        tries.append(backoffs[0].tries)
        if len(tries) == 4:
            sup.stop()
            await forever()
        clock.time += 60.0 if len(tries) == 3 else 0.0
        raise Away("gone")

    sup = supervisor(clock, backoff=backoff)
    sup.add(Part("mqtt", part))
    async with asyncio.timeout(5):
        await sup.run()
    assert tries == [0, 1, 2, 1]


async def test_a_broken_part_ends_all_and_is_named(clock: SleepingClock) -> None:
    async def broken() -> None:
        raise AssertionError("versions went back")

    sup = supervisor(clock)
    sup.add(Part("core", broken))
    sup.add(Part("web", forever))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await sup.run()
    assert caught.group_contains(AssertionError, match="versions went back")
    assert sup.health[0].state == "broken"
    assert sup.health[0].reason == "AssertionError: versions went back"


@pytest.mark.parametrize("by", ["stop", "cancel"])
async def test_parts_stop_in_reverse_order_each_after_the_other(clock: SleepingClock, by: str) -> None:
    order: list[str] = []
    running = asyncio.Event()

    def part(name: str) -> Part:
        async def run() -> None:
            if name == "web":
                running.set()
            try:
                await forever()
            finally:
                await asyncio.sleep(0)
                order.append(name)

        return Part(name, run)

    sup = supervisor(clock)
    for name in ("store", "core", "web"):
        sup.add(part(name))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(sup.run())
        await running.wait()
        _ = sup.stop() if by == "stop" else task.cancel()
    assert order == ["web", "core", "store"]
    assert [health.state for health in sup.health] == ["stopped"] * 3


async def test_a_part_that_will_not_stop_is_named_and_the_others_stop(clock: SleepingClock) -> None:
    release = asyncio.Event()
    running = asyncio.Event()
    named: list[Sequence[str]] = []

    async def stubborn() -> None:
        running.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    def on_stuck(names: Sequence[str]) -> None:
        named.append(names)
        release.set()

    sup = supervisor(clock, on_stuck=on_stuck)
    sup.add(Part("store", forever))
    sup.add(Part("camera", stubborn, deadline=0.01))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(sup.run())
        await running.wait()
        sup.stop()
    assert named == [["camera"]]
    assert sup.health[0].state == "stopped"


async def test_a_part_is_replaced_while_the_others_go_on(clock: SleepingClock) -> None:
    seen: list[str] = []
    started: asyncio.Queue[str] = asyncio.Queue()

    def part(name: str, mark: str) -> Part:
        async def run() -> None:
            started.put_nowait(mark)
            await forever()

        return Part(name, run)

    sup = supervisor(clock)
    sup.add(part("web", "old"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(sup.run())
        seen.append(await started.get())
        await sup.replace(part("web", "new"))
        sup.add(part("late", "late"))
        seen += [await started.get(), await started.get()]
        sup.stop()
    assert seen == ["old", "new", "late"]


async def test_two_parts_of_one_name_are_refused(clock: SleepingClock) -> None:
    sup = supervisor(clock)
    sup.add(Part("web", forever))
    with pytest.raises(ValueError, match="'web' already"):
        sup.add(Part("web", forever))
