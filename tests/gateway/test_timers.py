from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from gateway.timers import LOOK_AGAIN, STALE, Timers
from tests.clock import START, SetClock, in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle
from twins.exchange import Batch


class Bells:
    """Timers that run, and what they called, with the virtual second of each call."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.timers = Timers(self.clock)
        self.rung: list[tuple[str, float]] = []

    async def ring(self, timer: str, due: int, cause: str) -> None:
        if self.timers.fired(timer, due, Batch()):
            self.rung.append((timer, self.clock.monotonic()))

    def set(self, timer: str, after: float | None) -> Batch:
        batch = Batch()
        self.timers.set(timer, None if after is None else self.clock.now() + round(after * 1e6), b"cause", batch)
        return batch


@asynccontextmanager
async def bells() -> AsyncIterator[Bells]:
    here = Bells()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(here.timers.run(here.ring))
        await settle()
        try:
            yield here
        finally:
            running.cancel()


@in_virtual_time
async def test_timers_ring_when_they_are_due_in_the_order_of_their_deadlines() -> None:
    async with bells() as here:
        here.set("later", 3600)
        here.set("soon", 0.25)
        here.set("between", 90)
        await here.clock.sleep(3601)
    assert [(timer, round(at, 2)) for timer, at in here.rung] == [("soon", 0.25), ("between", 90), ("later", 3600)]


@in_virtual_time
async def test_a_timer_is_a_row_until_it_was_taken() -> None:
    async with bells() as here:
        assert here.set("a", 10).timers == {"a": (START + 10_000_000, b"cause")}
        batch = Batch()
        assert here.timers.fired("a", START + 10_000_000, batch)
        assert batch.timers == {"a": None}
        assert len(here.timers) == 0


@in_virtual_time
async def test_a_timer_set_anew_rings_at_its_new_deadline_alone() -> None:
    async with bells() as here:
        here.set("a", 10)
        await here.clock.sleep(5)
        here.set("a", 10)
        await here.clock.sleep(100)
    assert [(timer, round(at, 2)) for timer, at in here.rung] == [("a", 15)]


@in_virtual_time
async def test_a_timer_taken_back_does_not_ring() -> None:
    async with bells() as here:
        here.set("a", 10)
        assert here.set("a", None).timers == {"a": None}
        await here.clock.sleep(100)
    assert here.rung == []


@in_virtual_time
async def test_a_timer_changed_after_it_rang_and_before_it_was_taken_is_not_taken() -> None:
    async with bells() as here:
        here.set("a", 10)
        due = here.clock.now() + 10_000_000
        here.set("a", 20)
        assert not here.timers.fired("a", due, batch := Batch())
        assert batch.timers == {}
        assert len(here.timers) == 1


@in_virtual_time
async def test_overdue_timers_of_an_earlier_life_ring_at_once() -> None:
    here = Bells()
    here.timers.restore({"missed": (START - 60_000_000, b""), "next": (START + 60_000_000, b"")})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(here.timers.run(here.ring))
        await settle()
        assert here.rung == [("missed", 0)]
        await here.clock.sleep(61)
        running.cancel()
    assert here.rung[1][0] == "next"


@in_virtual_time
async def test_a_wall_clock_that_is_set_forward_delays_no_time_of_day() -> None:
    async with bells() as here:
        here.set("query:default/q", 3600)
        await here.clock.sleep(10)
        here.clock.jump(3600)
        await here.clock.sleep(LOOK_AGAIN)
        assert [timer for timer, _ in here.rung] == ["query:default/q"]


@in_virtual_time
async def test_a_wall_clock_that_is_set_back_delays_a_time_of_day_and_no_length_of_time() -> None:
    async with bells() as here:
        here.set("rule/#at:morning", 100)
        here.set("rule/instance#patience", 100)
        await here.clock.sleep(50)
        here.clock.jump(-3600)
        await here.clock.sleep(3660)
    assert [(timer, round(at)) for timer, at in here.rung] == [
        ("rule/instance#patience", 100),
        ("rule/#at:morning", 3700),
    ]


@in_virtual_time
async def test_a_watchdog_set_anew_with_every_message_leaves_little_behind() -> None:
    async with bells() as here:
        for n in range(10 * STALE):
            here.set("rule#watchdog", 600 + n * 1e-6)
        assert len(here.timers._lasting) <= STALE + 2
        await here.clock.sleep(601)
    assert len(here.rung) == 1


steps = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(1, 50), st.integers(0, 20)), max_size=30)


@given(steps)
def test_every_timer_rings_once_for_its_last_deadline_and_never_early(plan: list[tuple[str, int | None, int]]) -> None:
    @in_virtual_time
    async def play() -> None:
        async with bells() as here:
            wanted: dict[str, float] = {}
            expected: list[tuple[str, float]] = []
            for timer, after, pause in plan:
                here.set(timer, after)
                wanted.pop(timer, None)
                if after is not None:
                    wanted[timer] = here.clock.monotonic() + after
                await here.clock.sleep(pause + 0.5)  # between the deadlines, which fall on whole and half seconds
                await settle()
                due = [(t, at) for t, at in wanted.items() if at <= here.clock.monotonic()]
                expected += sorted(due, key=lambda one: one[1])
                for t, _ in due:
                    del wanted[t]
            await here.clock.sleep(60)
            expected += sorted(wanted.items(), key=lambda one: one[1])
        assert sorted((t, round(at, 2)) for t, at in here.rung) == sorted((t, round(at, 2)) for t, at in expected)

    play()


def hot(seconds: str) -> dict[str, object]:
    """A rule that is Hot when `t` was above 5 for so long."""
    stays = {"name": "hot", "to": "Hot", "when": "t > 5.0", "for": seconds}
    cools = {"name": "cool", "to": "A", "when": "t < 5.0"}
    return rule(states={"A": {"onInput": {"transitions": [stays]}}, "Hot": {"onInput": {"transitions": [cools]}}})


def state(stage: Stage) -> str:
    return next(instance.state for view in stage.rules.views() for instance in view.instances)


@in_virtual_time
async def test_a_rules_timer_passes_the_sequencer_and_its_decision_is_traced_to_its_cause() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(hot("1m"), "test")
        await stage.report(t="9")
        cause = stage.told[-1].said[-1].cause
        assert (state(stage), len(stage.batch.timers)) == ("A", 1)
        await stage.clock.sleep(59)
        assert state(stage) == "A"
        await stage.clock.sleep(2)
        await settle()
        assert state(stage) == "Hot"
        assert list(stage.batch.timers.values()) == [None]
        assert {d.cause for d in stage.told[-1].decisions if hasattr(d, "cause")} == {cause}
    assert stage.disk.found().timers == {}


@in_virtual_time
async def test_a_timer_that_expired_while_the_value_changed_back_decides_nothing() -> None:
    """It rang, but the fact that takes it back stands before it in the intake."""
    stage = Stage(Disk(held=True))
    async with stage.running():
        applied = asyncio.ensure_future(stage.registry.apply(hot("1m"), "test"))  # noqa: TID251 - awaited below
        await settle()
        await stage.disk.commit()
        await applied
        await stage.core.offer((stage.update(t="9"),))
        await settle()
        await stage.clock.sleep(59.9999)
        await stage.core.offer((stage.update(t="1"),))
        await stage.clock.sleep(10)
        await stage.disk.commit()
        assert state(stage) == "A"


@in_virtual_time
async def test_a_timer_goes_on_in_the_next_life_of_the_gateway() -> None:
    disk = Disk()
    first = Stage(disk)
    async with first.running():
        await first.registry.apply(hot("1m"), "test")
        await first.report(t="9")
        await first.clock.sleep(30)
    found = disk.found()

    second = Stage(disk)
    second.timers.restore(found.timers)
    assert second.rules.restore(found.rules, found.timers) == []
    second.twins.restore(found.twins, found.seen)
    assert second.registry.restore(found.manifests) == []
    for _, manifest in second.registry.of("Detector"):
        second.core.resume(second.rules.apply(manifest))
    async with second.running():
        assert state(second) == "A"
        await second.clock.sleep(29)
        assert state(second) == "A"
        await second.clock.sleep(2)
        await settle()
        assert state(second) == "Hot"
