"""Timers of rules under a wall clock that is set again and again, and over lives of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.committed import Committed
from gateway.steady import STEP, Steady
from gateway.timers import LOOK_AGAIN
from tests.clock import START, SetClock, in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle
from twins.exchange import Batch, Mark

RANG = {"when": 'timeout("x")', "do": [{"alert": {"message": "rang"}}]}
ARM = {"when": '!timeout("x")', "do": [{"timer": {"name": "x", "expression": "t"}}]}


def alarm(late: str = "fire") -> dict[str, object]:
    """A rule that rings so many seconds after a report as it says."""
    start = {"when": '!timeout("x")', "do": [{"timer": {"name": "x", "expression": "t", "late": late}}]}
    return rule(states={"A": {"onInput": {"events": [start, RANG]}}})


class House:
    """Lives of one gateway on one disk, one after the other; `rang` has the virtual second of every alert."""

    def __init__(self, clock: SetClock, manifest: dict[str, object]) -> None:
        self.clock = clock
        self.disk = Disk()
        self.rang: list[tuple[str, float]] = []
        self.told: list[str] = []
        self._manifest = manifest

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[Stage]:
        stage = Stage(self.disk, clock=self.clock)
        stage.core.listen(self)
        found = self.disk.found()
        start = stage.timers.restore(found.timers, found.clock)
        decided = stage.rules.restore(found.rules, found.timers, start)
        stage.twins.restore(found.twins, found.seen)
        assert stage.registry.restore(found.manifests) == []
        for _, manifest in stage.registry.of("Detector"):
            decided += stage.rules.apply(manifest, start.now)
        stage.core.resume(decided)
        async with stage.running():
            if not found.manifests:
                await stage.registry.apply(self._manifest, "test")
            yield stage

    def tell(self, committed: Committed) -> None:
        now = self.clock.monotonic()
        self.rang += [(event.object, now) for event in committed.events if event.kind == "alert"]
        self.told += [event.message for event in committed.events if event.kind == "clock"]


def rounded(rang: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted((device.removeprefix("default/"), round(at, 1)) for device, at in rang)


seconds = st.sampled_from([0.5, 3.0, 20.0, 60.0])
jumps = st.sampled_from([-86400.0 * 365, -3600.0, -1.0, -0.02, 0.02, 1.0, 3600.0, 86400.0 * 365])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.sampled_from(["d1", "d2", "d3"]), seconds),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.3, 2.0, 15.0])),
        st.tuples(st.just("jump"), st.just(""), jumps),
        st.tuples(st.just("down"), st.just(""), st.sampled_from([0.0, 1.0, 50.0])),
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_no_jump_of_the_wall_clock_fires_or_delays_a_timer(plan: list[tuple[str, str, float]]) -> None:
    """Over restarts too: each rings when it is due, or at the start of the next life if it was due before that."""

    @in_virtual_time
    async def play() -> None:
        clock = SetClock()
        house = House(clock, alarm())
        due: dict[str, float] = {}
        expected: list[tuple[str, float]] = []

        def over(now: float) -> None:
            for device in [device for device, at in due.items() if at <= now]:
                expected.append((device, due.pop(device)))

        lives: list[list[tuple[str, str, float]]] = [[]]
        for step in plan:
            if step[0] == "down":
                lives.append([])
            lives[-1].append(step)
        for life in lives:
            if life and life[0][0] == "down":
                over(clock.monotonic())
                await clock.sleep(life[0][2])
                due = {device: max(at, clock.monotonic()) for device, at in due.items()}
            async with house.alive() as stage:
                for what, device, value in life:
                    if what == "report":
                        over(clock.monotonic())
                        await stage.report(f"default/{device}", t=str(value))
                        due[device] = clock.monotonic() + value
                    elif what == "jump":
                        clock.jump(value)
                    elif what == "wait":
                        await clock.sleep(value + 0.05)  # between the deadlines
                await clock.sleep(LOOK_AGAIN + 0.1)  # a jump in the last second counts as time that has passed
                await settle()
        over(clock.monotonic())
        async with house.alive():
            await clock.sleep(61)
            await settle()
        expected += due.items()
        rang = sorted((device.removeprefix("default/"), at) for device, at in house.rang)
        assert [device for device, _ in rang] == [device for device, _ in sorted(expected)]
        assert all(abs(at - due) < 0.02 for (_, at), (_, due) in zip(rang, sorted(expected), strict=True))

    play()


@in_virtual_time
async def test_a_clock_that_is_set_is_told_once_and_marked_within_a_second() -> None:
    clock = SetClock()
    house = House(clock, alarm())
    async with house.alive() as stage:
        await stage.report(t="100")
        clock.jump(3600)
        await clock.sleep(LOOK_AGAIN)
        await settle()
        assert stage.batch.clock == Mark(START + 1_000_000, START + 3_601_000_000)
        batches = len(house.disk.batches)
        await clock.sleep(60)
        assert len(house.disk.batches) == batches
        clock.jump(-7200)
        await clock.sleep(LOOK_AGAIN)
    assert house.told == [
        "the clock was set forward by 3600 s: timers go on as they were, times of day by the new time",
        "the clock was set back by 7200 s: timers go on as they were, times of day by the new time",
    ]


@in_virtual_time
async def test_a_condition_that_must_hold_for_a_time_is_touched_by_no_jump() -> None:
    clock = SetClock()
    stays = {"to": "Hot", "when": "t > 5.0", "for": "10m", "do": [{"alert": {"message": "hot"}}]}
    house = House(clock, rule(states={"A": {"onInput": {"transitions": [stays]}}, "Hot": {}}))
    async with house.alive() as stage:
        await stage.report(t="9")
        for jump in (3600, -7200, 86400):
            clock.jump(jump)
            await clock.sleep(60)
            await stage.report(t="8")  # an input looks at what is overdue, too
        assert house.rang == []
        await clock.sleep(421)
    assert rounded(house.rang) == [("d1", 600.0)]


@in_virtual_time
async def test_a_wall_clock_that_is_earlier_at_the_next_start_leaves_the_whole_of_what_remained() -> None:
    """As on a board without a clock of its own, whose time comes from the network after the gateway is up."""
    clock = SetClock()
    house = House(clock, alarm())
    async with house.alive() as stage:
        await stage.report(t="100")
    clock.jump(-30 * 86400)
    await clock.sleep(60)
    async with house.alive():
        await clock.sleep(10)
    async with house.alive():  # what passed in a life in which nothing happened counts, too
        await clock.sleep(10)
        clock.jump(30 * 86400)
        await clock.sleep(79)
        assert house.rang == []
        await clock.sleep(2)
    assert rounded(house.rang) == [("d1", 160.0)]


@in_virtual_time
async def test_a_timer_that_resumes_counts_while_the_gateway_runs_to_a_second() -> None:
    clock = SetClock()
    house = House(clock, alarm("resume"))
    async with house.alive() as stage:
        await stage.report(t="100")
        await clock.sleep(39.5)
    await clock.sleep(5000)
    async with house.alive():
        began = clock.monotonic()
        await clock.sleep(59)
        assert house.rang == []
        await clock.sleep(3)
    ((_, rang),) = house.rang
    assert 60 <= rang - began <= 60.5 + LOOK_AGAIN


@in_virtual_time
async def test_no_mark_is_written_every_second_unless_a_timer_resumes() -> None:
    written = {}
    for late in ("fire", "resume"):
        house = House(SetClock(), alarm(late))
        async with house.alive() as stage:
            await stage.report(t="100")
            await house.clock.sleep(60)
            written[late] = len(house.disk.batches)
    assert written["fire"] == 2
    assert 55 <= written["resume"] <= 65


@in_virtual_time
async def test_what_was_stamped_before_the_clock_was_set_counts_as_of_now() -> None:
    clock = SetClock()
    steady = Steady(clock)
    assert steady.now() == START
    stamped = clock.now()
    await clock.sleep(100)
    steady.look()
    assert steady.of(stamped + 99_000_000) == START + 99_000_000  # a second ago
    assert steady.of(stamped) == START + 99_000_000  # not before what was asked last
    for jump in (-7200, 7200, 3600):
        stamped = clock.now()
        clock.jump(jump)
        assert steady.look() == jump * 1_000_000
        assert steady.of(stamped) == steady.now() == START + 100_000_000


@in_virtual_time
async def test_what_reading_two_clocks_takes_is_no_jump() -> None:
    clock = SetClock()
    steady = Steady(clock)
    assert steady.now() == START
    jumped = []
    for _ in range(3):
        clock.jump((STEP - 1000) / 1e6)
        jumped.append(steady.look())
    assert jumped == [0, 2 * (STEP - 1000), 0]  # but it adds up to one


@in_virtual_time
async def test_deadlines_without_a_mark_are_wall_time_as_they_were_before_there_were_marks() -> None:
    stage = Stage(clock=SetClock())
    start = stage.timers.restore({"default/rule/default/d1#x": (START + 5, b"")})
    assert (start.now, start.steady, start.away) == (START, START, 0)
    batch = Batch()
    stage.timers.mark(batch)
    assert batch.clock is None
    await asyncio.sleep(0)


def daily(late: str) -> dict[str, object]:
    """A rule for all that rings at 07:40, which is 47.5 minutes away."""
    ring = {"when": 'schedule("early")', "do": [{"alert": {"message": "early"}}]}
    early = {"cron": "40 7 * * *", "late": late}
    return rule(key="all", inputs={}, schedules={"early": early}, states={"A": {"onInput": {"events": [ring]}}})


EARLY = 2850.0
"""Virtual seconds until then."""


@in_virtual_time
async def test_a_schedule_comes_at_its_time_by_the_wall_clock_and_goes_on_in_the_next_life() -> None:
    house = House(SetClock(), daily("fire"))
    async with house.alive():
        await house.clock.sleep(100)
    async with house.alive() as stage:
        await house.clock.sleep(EARLY)
        assert [round(at) for _, at in house.rang] == [EARLY]
        (row,) = stage.disk.found().timers.values()
        assert row[0] == START + round((EARLY + 86400) * 1e6)


@pytest.mark.parametrize("jump", [-600.0, 600.0])
@in_virtual_time
async def test_a_clock_that_is_set_within_the_day_moves_a_schedule(jump: float) -> None:
    house = House(SetClock(), daily("skip"))
    async with house.alive():
        await house.clock.sleep(100)
        house.clock.jump(jump)
        await house.clock.sleep(EARLY - jump)
    assert [round(at) for _, at in house.rang] == [EARLY - jump]


@in_virtual_time
async def test_a_clock_that_is_set_over_a_schedule_rings_it_within_a_second_if_it_is_wanted_late() -> None:
    rang = {}
    for late in ("fire", "skip"):
        house = House(SetClock(), daily(late))
        async with house.alive():
            await house.clock.sleep(100)
            house.clock.jump(2 * 3600)
            await house.clock.sleep(2)
        rang[late] = len(house.rang)
    assert rang == {"fire": 1, "skip": 0}
