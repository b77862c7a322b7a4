"""Silence is noticed by the clock: at its time, once, at a cost that does not grow with the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.presence import AGAIN, Presence
from tests.clock import VirtualClock, in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle, values
from twins.exchange import Event
from twins.liveness import ATTENDED, Limits, Rhythm
from twins.stimuli import Joined, Left, Reply, Seen, Stimulus, Updated

S = 1_000_000
D = "default/d1"
LIMITS = Limits(interval=10.0, unknown_after=3.0, offline_after=10.0)


class Watch:
    """A stage with a presence; `away` is what `deaf` tells."""

    def __init__(self, disk: Disk | None = None, clock: VirtualClock | None = None) -> None:
        self.stage = Stage(disk)
        self.stage.clock = clock or self.stage.clock
        self.away: dict[str, str] = {}
        self.presence = Presence(
            self.stage.twins, self.stage.core, self.stage.clock, self.stage.next_cause, LIMITS, lambda: self.away
        )
        self.stage.core.listen(self.presence)
        found = self.stage.disk.found()
        self.stage.twins.restore(found.twins, found.seen)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watch]:
        async with self.stage.running(), asyncio.TaskGroup() as group:
            watching = group.create_task(self.presence.run())
            await settle()
            try:
                yield self
            finally:
                watching.cancel()

    async def hear(self, device: str = D, **values: str) -> None:
        await self.stage.report(device, **(values or {"t": "1"}))

    async def take(self, *stimuli: Stimulus) -> None:
        await self.stage.core.ask(*stimuli)

    async def silent(self, seconds: float) -> str:
        """What is shown of the device after so many seconds more."""
        await self.stage.clock.sleep(seconds)
        await settle()
        return self.state()

    def state(self, device: str = D) -> str:
        twin = self.stage.twins.get(device)
        return "" if twin is None else twin.status

    def reason(self, device: str = D) -> str:
        twin = self.stage.twins.get(device)
        return "" if twin is None else twin.life.reason

    @property
    def events(self) -> list[Event]:
        return [event for told in self.stage.told for event in told.events]

    def said(self, state: str, reason: str = "") -> Seen:
        return Seen(D, self.stage.next_cause(), self.stage.clock.now(), state, Reply("e"), reason)


@in_virtual_time
async def test_a_silent_device_is_unknown_then_offline_each_kept_told_and_a_fact() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        assert watch.state() == "online"
        assert await watch.silent(29) == "online"
        assert await watch.silent(3) == "unknown"
        assert await watch.silent(67) == "unknown"
        assert watch.events == [], "what may come back at once is no event"
        assert await watch.silent(4) == "offline"
        (event,) = watch.events
        assert (event.object, event.severity) == (D, "warning")
        assert event.message == f"{D} is offline: silent for 100 s; it is assumed to speak every 10 s"
        texts = [p.text for batch in watch.stage.disk.batches for p in batch.points if p.series == f"{D}/$state"]
        assert texts == ["online", "unknown", "offline"]
        await watch.hear()
        assert watch.state() == "online"
        await watch.stage.clock.sleep(2)
        assert [e.message for e in watch.events[1:]] == [f"{D} is back: online"]
        assert watch.stage.disk.found().events == watch.events


@in_virtual_time
async def test_a_device_that_speaks_in_time_never_flaps() -> None:
    async with Watch().running() as watch:
        for _ in range(200):
            await watch.hear()
            await watch.stage.clock.sleep(25)
            assert watch.state() == "online"
        assert [len(told.statuses) for told in watch.stage.told if told.statuses] == [1]


@in_virtual_time
async def test_the_learned_interval_decides() -> None:
    async with Watch().running() as watch:
        for _ in range(30):
            await watch.hear()
            await watch.stage.clock.sleep(60)
        assert await watch.silent(60) == "online", "the last was 120 s ago, and 60 s are usual"
        assert await watch.silent(70) == "unknown"
        assert watch.reason() == "silent for 3 min; it usually speaks every 60 s"


@in_virtual_time
async def test_a_declared_interval_is_taken_up_within_a_minute() -> None:
    async with Watch().running() as watch:
        await watch.take(Joined(D, "c", watch.stage.clock.now(), {}, rhythm=Rhythm(3600 * S)))
        await watch.hear()
        assert await watch.silent(7200) == "online"
        await watch.take(Joined(D, "c", watch.stage.clock.now(), {}, rhythm=Rhythm(5 * S)))
        assert await watch.silent(AGAIN / S + 2) == "offline"
        assert "it should speak every 5 s" in watch.reason()


@in_virtual_time
async def test_a_rule_hears_that_a_device_is_offline() -> None:
    lost = {"name": "lost", "to": "B", "when": "state == 'offline'", "do": [{"alert": {"message": "lost it"}}]}
    states = {"A": {"onInput": {"transitions": [lost]}}, "B": {}}
    async with Watch().running() as watch:
        await watch.stage.registry.apply(
            rule(inputs={"state": {"property": "$state", "type": "string"}}, states=states), "test"
        )
        await watch.hear()
        await watch.silent(110)
        assert "lost it" in [event.message for event in watch.events]


@in_virtual_time
async def test_a_last_will_is_offline_at_once_and_told() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        await watch.take(watch.said("offline", "connection lost"))
        assert watch.state() == "offline"
        await watch.stage.clock.sleep(2)
        assert [event.message for event in watch.events] == [f"{D} is offline: connection lost"]
        judged = watch.presence.counts.judged
        await watch.silent(3600)
        assert watch.presence.counts.judged == judged, "nothing is expected of it"


@in_virtual_time
async def test_what_a_mapper_says_of_a_device_again_and_again_holds() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        for _ in range(60):
            await watch.take(watch.said("unknown"))
            assert await watch.silent(60) == "unknown"
        await watch.hear()
        assert watch.state() == "online"
        assert await watch.silent(40) == "unknown"
        assert watch.reason().startswith("silent for "), "and from then on its silence counts again"


@in_virtual_time
async def test_a_device_that_was_never_heard_is_not_missed() -> None:
    async with Watch().running() as watch:
        await watch.take(Joined(D, "c", watch.stage.clock.now(), {}))
        assert await watch.silent(3600) == ""
        assert watch.presence.counts.judged == 0
        assert watch.presence.states() == {"online": 0, "unknown": 1, "offline": 0}


@in_virtual_time
async def test_what_is_asked_of_a_device_keeps_it_no_longer() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        for _ in range(4):
            now = watch.stage.clock.now()
            await watch.take(Updated(D, "api:1:1", now, watch.stage.update(t="2").edits, now, origin="edge"))
            await watch.stage.clock.sleep(10)
        assert watch.state() == "unknown"


# -- what is no silence of a device --------------------------------------------------------------------------------


@in_virtual_time
async def test_after_a_restart_every_device_has_its_interval_again() -> None:
    disk = Disk()
    async with Watch(disk).running() as watch:
        for _ in range(20):
            await watch.hear()
            await watch.stage.clock.sleep(5)
    await watch.stage.clock.sleep(3600)
    async with Watch(disk).running() as again:
        assert again.state() == "online"
        assert await again.silent(14) == "online"
        assert await again.silent(3) == "unknown"
        assert again.reason() == "not heard in the 15 s since we listen again; it usually speaks every 5 s"
        assert await again.silent(40) == "offline"
    async with Watch(disk).running() as third:
        assert third.state() == "offline", "and what was concluded is kept"
        assert await third.silent(3600) == "offline"
        await third.hear()
        assert third.state() == "online"


@in_virtual_time
async def test_while_the_broker_is_away_devices_are_unknown_at_most_and_nobody_is_told() -> None:
    async with Watch().running() as watch:
        for n in range(100):
            await watch.take(watch.stage.update(f"default/d{n}", t="1"))
        watch.away = {"test": "the broker is away"}
        assert await watch.silent(3600) == "unknown"
        assert {watch.reason(f"default/d{n}") for n in range(100)} == {"the broker is away"}
        assert watch.events == []
        watch.away = {}
        assert await watch.silent(29) == "unknown"
        await watch.hear("default/d2")
        assert watch.state("default/d2") == "online"
        assert await watch.silent(45) == "unknown"
        assert watch.reason() != "the broker is away", "it is back, and the device still silent"
        await watch.hear("default/d2")
        assert await watch.silent(60) == "offline"
        assert watch.state("default/d2") == "unknown"


@in_virtual_time
async def test_a_broker_that_was_away_for_a_moment_gives_everybody_the_interval_again() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        await watch.stage.clock.sleep(25)
        watch.away = {"test": "the broker is away"}
        await watch.stage.clock.sleep(2)
        watch.away = {}
        assert await watch.silent(28) == "online"
        assert await watch.silent(5) == "unknown"


@in_virtual_time
async def test_a_broker_that_is_away_excuses_nobody_who_comes_by_another_door() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        watch.away = {"mqtt": "the broker is away"}
        assert await watch.silent(110) == "offline"


class Jumping(VirtualClock):
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


@in_virtual_time
async def test_a_wall_clock_that_jumps_makes_nobody_silent() -> None:
    clock = Jumping()
    async with Watch(clock=clock).running() as watch:
        await watch.hear()
        for jump in (50 * 365 * 86_400 * S, -100 * 365 * 86_400 * S):
            await watch.hear()
            clock.ahead += jump
            assert await watch.silent(28) == "online"
            assert await watch.silent(6) == "unknown", "and silence is noticed as before"


@in_virtual_time
async def test_a_device_that_its_door_attends_may_be_silent_until_the_next_start() -> None:
    disk = Disk()
    async with Watch(disk).running() as watch:
        await watch.take(Joined(D, "phone:1:1", watch.stage.clock.now(), {}, rhythm=ATTENDED))
        await watch.take(Seen(D, "phone:1:2", watch.stage.clock.now(), "online"))
        assert await watch.silent(10_000) == "online"
    async with Watch(disk).running() as again:
        assert await again.silent(29) == "online"
        assert await again.silent(10_000) == "unknown", "it did not come back, and nothing else is known"


# -- cost and floods -----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_ten_thousand_devices_are_looked_at_once_an_interval_and_a_message_costs_nothing() -> None:
    async with Watch().running() as watch:
        for start in range(0, 10_000, 500):
            await watch.take(*(watch.stage.update(f"default/d{n}", t="1") for n in range(start, start + 500)))
        await watch.stage.clock.sleep(25)
        await watch.take(*(watch.stage.update(f"default/d{n}", t="3") for n in range(10_000)))
        assert watch.presence.counts.judged == 0, "24 looks at nothing: none was due"
        await watch.stage.clock.sleep(20)
        assert watch.presence.counts.judged == 10_000, "once each, and the entry moved on"
        assert watch.presence.counts.missed == 0
        await watch.stage.clock.sleep(300)
        await settle()
        assert watch.presence.counts.missed == 20_000, "unknown, then offline"
        assert watch.presence.counts.judged == 40_000, "and once in a minute in between"
        assert len(watch.presence) == 0
        assert watch.presence.states() == {"online": 0, "unknown": 0, "offline": 10_000}
        await watch.stage.clock.sleep(120)
        assert len(watch.events) == 11, "ten by name and one sum of all others"
        assert watch.events[-1].message.endswith("and 9987 more went offline")
        assert len(values(watch.stage.batch)) == 0


@in_virtual_time
async def test_a_device_that_comes_and_goes_is_told_once_in_ten_minutes_and_summed_up_in_between() -> None:
    async with Watch().running() as watch:
        for _ in range(60):
            await watch.hear()
            await watch.stage.clock.sleep(5)
            await watch.take(watch.said("offline"))
            await watch.stage.clock.sleep(5)
        messages = [event.message for event in watch.events]
        assert len(messages) <= 2 + 2 * 11
        assert messages.count(f"{D} is back: online") == 1
        assert f"{D} went offline" in messages


@in_virtual_time
async def test_a_device_that_left_is_watched_no_more() -> None:
    async with Watch().running() as watch:
        await watch.hear()
        await watch.take(Left(D, "c", watch.stage.clock.now()))
        await watch.silent(3600)
        assert (watch.presence.counts.missed, len(watch.presence), watch.events) == (0, 0, [])
