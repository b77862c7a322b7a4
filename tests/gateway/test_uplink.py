from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from gateway.committed import Committed
from gateway.uplink import TOGETHER, Uplink
from tests.clock import in_virtual_time
from tests.gateway.stage import Disk, Stage, body, rule, settle
from twins.errors import Unavailable
from twins.exchange import Outcome, Ticket
from twins.stimuli import Joined, Left, Seen, Stimulus, Updated
from twins.twin import Twins
from twins.values import Declared, Twin


class Note(Struct, frozen=True):
    """A report: what a twin has that the cloud has not confirmed."""

    device: str
    versions: Mapping[str, tuple[int, int]]
    values: Mapping[str, str]
    cause: str = ""
    joined: int = 0


class Unanswered(Unavailable):
    """The link lives, and these reports are not confirmed."""

    def __init__(self, reports: Sequence[Note]) -> None:
        super().__init__("no answer")
        self.reports = reports


class Wish:
    """What the cloud asks for."""

    def __init__(
        self, stimuli: Sequence[Stimulus] = (), manifests: Mapping[tuple[str, str], bytes | None] | None = None
    ) -> None:
        self.stimuli = stimuli
        self.manifests = manifests or {}
        self.outcome: bool | None = None

    def done(self, committed: bool = True, outcome: Outcome | None = None) -> None:
        self.outcome = committed


class Heaven:
    """The far side: a cloud in memory that can be cut, and that may take a message without confirming it."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.states: list[tuple[str, str]] = []
        self.pushes: list[int] = []
        self.confirms = True
        self.flying = 0
        self.busiest = 0
        self.mute: set[str] = set()
        """Devices that it never answers for."""
        self.strange: set[str] = set()
        """Devices that it does not know, until it has asked for something of them."""
        self.wishes: asyncio.Queue[Wish] = asyncio.Queue(100)
        self._online = asyncio.Event()
        self._online.set()

    def cut(self) -> None:
        self._online.clear()

    def join(self) -> None:
        self._online.set()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def online(self) -> None:
        await self._online.wait()

    async def push(self, rows: Sequence[Note]) -> None:
        if not self._online.is_set():
            raise Unavailable("the link is cut")
        self.pushes.append(len(rows))
        for row in rows:
            if row.versions:
                self.values.setdefault(row.device, {}).update(row.values)
            else:
                self.states.append((row.device, row.values["state"]))
        self.flying += len(rows)
        self.busiest = max(self.busiest, self.flying)
        try:
            await self._answer(rows)
        finally:
            self.flying -= len(rows)

    async def _answer(self, rows: Sequence[Note]) -> None:
        silent = [row for row in rows if row.device in self.mute or self.mute == {"*"}]
        await asyncio.sleep(10 if silent else 0.1)
        if silent:
            raise Unanswered(silent)
        if not self.confirms:
            raise Unavailable("no confirmation came")

    def report(self, twin: Twin, cause: str = "") -> Note | None:
        news = {name: p for name, p in twin.properties.items() if p.unsynced and p.reported is not None}
        if not news or twin.device in self.strange:
            return None
        versions = {n: (p.reported.version.edge if p.reported else 0, 0) for n, p in news.items()}
        values = {n: p.reported.value for n, p in news.items() if p.reported}
        return Note(twin.device, versions, values, cause, twin.joined)

    def state_report(self, twin: Twin, cause: str = "") -> Note | None:
        known = twin.status and twin.device not in self.strange
        return Note(twin.device, {}, {"state": twin.status}, cause) if known else None

    async def changes(self) -> AsyncIterator[Wish]:
        while True:
            yield await self.wishes.get()


class Sky:
    """A stage with a cloud above it."""

    def __init__(self, disk: Disk | None = None, twins: Twins | None = None) -> None:
        self.stage = Stage(disk, twins=twins)
        self.cloud = Heaven()
        self.uplink = Uplink(self.cloud, self.stage.core, self.stage.clock)
        self.stage.core.listen(self.uplink)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Sky]:
        async with self.stage.running(), asyncio.TaskGroup() as group:
            up = group.create_task(self.uplink.run())
            await settle()
            try:
                yield self
            finally:
                up.cancel()

    async def report(self, device: str, value: str) -> None:
        await self.stage.report(device, t=value)

    @property
    def learned(self) -> list[tuple[str, str]]:
        """The manifests whose commit was announced."""
        return [(applied.kind, applied.name) for told in self.stage.told for applied in told.applied]

    def unsynced(self) -> list[str]:
        return [t.device for t in self.stage.twins if any(p.unsynced for p in t.properties.values())]


@in_virtual_time
async def test_what_a_device_reports_reaches_the_cloud_and_its_confirmation_is_on_disk() -> None:
    sky = Sky()
    async with sky.running():
        await sky.report("default/d1", "1")
        await asyncio.sleep(0.05)
        assert sky.unsynced() == ["default/d1"]
        await asyncio.sleep(0.2)
        assert sky.cloud.values == {"default/d1": {"t": "1"}}
        assert (sky.unsynced(), sky.uplink.pending) == ([], 0)
    again = Twins()
    again.restore(sky.stage.disk.found().twins, [])
    assert [p.synced.reported for twin in again for p in twin.properties.values()] == [1]


@in_virtual_time
async def test_what_the_cloud_did_not_confirm_is_sent_again_until_it_does() -> None:
    sky = Sky()
    sky.cloud.confirms = False
    async with sky.running():
        await sky.report("default/d1", "1")
        await asyncio.sleep(20)
        assert len(sky.cloud.pushes) > 2
        assert sky.unsynced() == ["default/d1"]  # pending is 0 while it is on its way once more
        sky.cloud.confirms = True
        await asyncio.sleep(10)
        assert (sky.unsynced(), sky.uplink.pending) == ([], 0)
        pushes = len(sky.cloud.pushes)
        await asyncio.sleep(60)
        assert len(sky.cloud.pushes) == pushes


@in_virtual_time
async def test_a_cut_costs_nothing_and_only_the_newest_value_is_sent_after_it() -> None:
    sky = Sky()
    async with sky.running():
        await sky.report("default/d1", "0")
        await asyncio.sleep(1)
        sky.cloud.cut()
        for n in range(1, 101):
            await sky.report(f"default/d{n % 50}", str(n))
        await asyncio.sleep(60)
        assert (sky.uplink.pending, sum(sky.cloud.pushes)) == (50, 2), "a value and a state"
        sky.cloud.join()
        await asyncio.sleep(5)
        assert (sky.unsynced(), sky.uplink.pending) == ([], 0)
        assert {int(values["t"]) for values in sky.cloud.values.values()} == set(range(51, 101))
        assert sum(sky.cloud.pushes) == 2 + 50 + 49, "the state of each that was heard for the first time too"
        assert sky.cloud.busiest <= TOGETHER


@in_virtual_time
async def test_a_value_that_changes_while_its_report_is_on_its_way_is_reported_too() -> None:
    sky = Sky()
    async with sky.running():
        await sky.report("default/d1", "1")
        await asyncio.sleep(0.05)
        await sky.report("default/d1", "2")
        await asyncio.sleep(0.3)
        assert sky.cloud.values == {"default/d1": {"t": "2"}}
        assert (sky.unsynced(), len(sky.cloud.pushes)) == ([], 3), "two values and a state"


@in_virtual_time
async def test_what_was_unconfirmed_before_a_restart_is_sent_after_it() -> None:
    first = Sky()
    first.cloud.cut()
    async with first.running():
        for n in range(3):
            await first.report(f"default/d{n}", "1")
    found = first.stage.disk.found()
    twins = Twins()
    twins.restore(found.twins, found.seen)
    second = Sky(first.stage.disk, twins)
    async with second.running():
        await asyncio.sleep(5)
        assert second.cloud.values.keys() == {"default/d0", "default/d1", "default/d2"}
        assert second.unsynced() == []


@in_virtual_time
async def test_a_device_that_left_is_not_reported() -> None:
    sky = Sky()
    sky.cloud.cut()
    async with sky.running():
        await sky.report("default/d1", "1")
        await sky.stage.core.ask(Left("default/d1", "test:1:0", 0))
        sky.cloud.join()
        await asyncio.sleep(5)
        assert (sky.cloud.values, sky.uplink.pending) == ({}, 0)


@in_virtual_time
async def test_a_state_is_reported_when_it_changes() -> None:
    sky = Sky()
    async with sky.running():
        await sky.report("default/d1", "1")
        for state in ("online", "online", "offline"):
            await sky.stage.core.ask(Seen("default/d1", "test:1:0", sky.stage.clock.now(), state))
            await asyncio.sleep(1)
        assert sky.cloud.states == [("default/d1", "online"), ("default/d1", "offline")]


@in_virtual_time
async def test_news_do_not_wait_for_the_states_that_are_repeated_after_a_restart() -> None:
    first = Sky()
    async with first.running():
        for n in range(1000):
            await first.report(f"default/d{n}", "1")
            await first.stage.core.ask(Seen(f"default/d{n}", "test:1:0", first.stage.clock.now(), "online"))
        await asyncio.sleep(10)
        assert first.unsynced() == []
    found = first.stage.disk.found()
    twins = Twins()
    twins.restore(found.twins, found.seen)
    second = Sky(first.stage.disk, twins)
    async with second.running():
        second.cloud.cut()
        for n in range(900, 1000):
            await second.report(f"default/d{n}", "2")
        second.cloud.join()
        await asyncio.sleep(1)
        assert len(second.cloud.values) == 100
        assert 50 < len(second.cloud.states) < 1000
        await asyncio.sleep(5)
        assert (len(second.cloud.states), second.uplink.pending) == (1000, 0)


@in_virtual_time
async def test_what_the_cloud_asks_is_answered_after_its_commit() -> None:
    sky = Sky(Disk(held=True))
    device = {"kind": "Device", "metadata": {"name": "d9"}}
    wish = Wish(
        [Updated("default/d9", "cloud:1:1", 1, {}, 1)],
        {("Device", "default/d9"): body(device)},
    )
    async with sky.running():
        await sky.cloud.wishes.put(wish)
        await settle()
        assert (wish.outcome, sky.learned) == (None, [])
        await sky.stage.disk.commit()
        assert (wish.outcome, sky.learned) == (True, [("Device", "default/d9")])
        assert sky.stage.disk.found().manifests == wish.manifests


@in_virtual_time
async def test_what_could_not_be_committed_in_time_is_not_said_to_be_done() -> None:
    sky = Sky(Disk(held=True))
    wish, next_wish = Wish(manifests={("Device", "default/d9"): b"{}"}), Wish()
    async with sky.running():
        await sky.cloud.wishes.put(wish)
        await sky.cloud.wishes.put(next_wish)
        await asyncio.sleep(31)
        assert (wish.outcome, sky.learned) == (False, [])
        await sky.stage.disk.commit()
        assert next_wish.outcome is True


@in_virtual_time
async def test_a_manifest_of_the_cloud_that_is_refused_is_neither_kept_nor_learned() -> None:
    sky = Sky()
    wish = Wish(manifests={("Detector", "default/rule"): body(rule(initial="Nowhere"))})
    async with sky.running():
        await sky.cloud.wishes.put(wish)
        await asyncio.sleep(1)
        assert wish.outcome is True
        assert sky.learned == []
        assert sky.stage.disk.found().manifests == {}


@in_virtual_time
async def test_a_device_that_the_cloud_never_answers_for_holds_up_no_other_and_is_asked_ever_more_rarely() -> None:
    sky = Sky()
    sky.cloud.mute = {"default/d0"}
    async with sky.running():
        for second in range(1, 601):
            for n in range(100 if second <= 20 else 2):
                await sky.report(f"default/d{n}", str(second))
            await asyncio.sleep(1)
            waits = set(sky.unsynced()) - {"default/d0"}
            assert waits == set(), f"second {second}: {len(waits)} wait"
        (silence,) = sky.uplink.silences
        assert (silence.device, silence.alone) == ("default/d0", True)
        assert 4 <= silence.attempts <= 9
        sky.cloud.mute = set()
        await asyncio.sleep(301)
        assert (sky.unsynced(), sky.uplink.silences) == ([], ())
        assert sky.cloud.values["default/d0"] == {"t": "600"}


@in_virtual_time
async def test_when_the_cloud_answers_for_no_device_none_is_blamed_and_all_go_soon_after() -> None:
    sky = Sky()
    sky.cloud.mute = {"*"}
    async with sky.running():
        for n in range(100):
            await sky.report(f"default/d{n}", "1")
        await asyncio.sleep(900)
        assert not any(silence.alone for silence in sky.uplink.silences)
        assert sky.cloud.busiest <= TOGETHER
        sky.cloud.mute = set()
        await asyncio.sleep(15)
        assert (sky.unsynced(), sky.uplink.silences, sky.uplink.pending) == ([], (), 0)


@in_virtual_time
async def test_a_device_has_one_report_on_its_way_at_a_time_and_the_order_is_kept() -> None:
    sky = Sky()
    async with sky.running():
        for n in range(20):
            await sky.report("default/d1", str(n))
            await asyncio.sleep(0.03)
            assert sky.cloud.flying <= 1
        await asyncio.sleep(1)
        assert sky.cloud.values == {"default/d1": {"t": "19"}}


@in_virtual_time
async def test_a_silent_device_is_tried_at_once_when_the_cloud_sends_its_device_anew() -> None:
    sky = Sky()
    sky.cloud.mute = {"default/d0"}
    async with sky.running():
        for n in range(600):
            await sky.report("default/d0", str(n))
            await sky.report("default/d1", str(n))
            await asyncio.sleep(1)
        sky.cloud.mute = set()
        device = {"kind": "Device", "metadata": {"name": "d0"}}
        await sky.cloud.wishes.put(Wish([], {("Device", "default/d0"): body(device)}))
        await asyncio.sleep(11)
        assert sky.unsynced() == []


@in_virtual_time
async def test_a_silent_device_that_left_is_forgotten() -> None:
    sky = Sky()
    sky.cloud.mute = {"default/d0"}
    async with sky.running():
        await sky.report("default/d0", "1")
        await asyncio.sleep(30)
        assert sky.uplink.silences
        await sky.stage.core.ask(Left("default/d0", "test:1:0", 0))
        await asyncio.sleep(30)
        assert (sky.uplink.silences, sky.uplink.pending) == ((), 0)


class Introduction(Wish):
    """The cloud gets to know a device, which it takes reports of when this is done."""

    def __init__(self, cloud: Heaven, device: str) -> None:
        super().__init__([Joined(device, "cloud:1:1", 0, {"t": Declared("string")}, origin="cloud")])
        self._learned = cloud.strange.discard

    def done(self, committed: bool = True, outcome: Outcome | None = None) -> None:
        super().done(committed, outcome)
        self._learned(self.stimuli[0].device)


@in_virtual_time
async def test_a_device_that_the_cloud_gets_to_know_later_is_told_with_its_state() -> None:
    sky = Sky()
    sky.cloud.strange = {"default/d1"}
    async with sky.running():
        await sky.report("default/d1", "1")
        await sky.stage.core.ask(Seen("default/d1", "test:1:0", 0, "online"))
        await asyncio.sleep(5)
        assert (sky.cloud.values, sky.cloud.states) == ({}, [])
        await sky.cloud.wishes.put(Introduction(sky.cloud, "default/d1"))
        await asyncio.sleep(1)
        assert sky.cloud.values == {"default/d1": {"t": "1"}}
        assert sky.cloud.states == [("default/d1", "online")]


@in_virtual_time
async def test_what_is_looked_at_between_its_commit_and_the_clouds_knowing_of_it_is_told_all_the_same() -> None:
    """The uplink is woken in the very moment of the commit, so that it looks before the cloud is said it is done."""

    class Rousing(Disk):
        async def committed(self, ticket: Ticket) -> None:
            await super().committed(ticket)
            sky.uplink.tell(Committed())

    sky = Sky(Rousing())
    sky.cloud.strange = {"default/d1"}
    async with sky.running():
        await sky.report("default/d1", "1")
        await asyncio.sleep(1)
        await sky.cloud.wishes.put(Introduction(sky.cloud, "default/d1"))
        await asyncio.sleep(1)
        assert sky.cloud.values == {"default/d1": {"t": "1"}}


@in_virtual_time
async def test_a_silent_device_is_tried_again_though_the_others_always_have_news() -> None:
    sky = Sky()
    sky.cloud.mute = {"default/d0"}
    async with sky.running():
        for second in range(36):
            for n in range(12 * TOGETHER):  # more than goes up in a second
                await sky.report(f"default/d{n}", str(second))
            await asyncio.sleep(1)
            if second == 12:
                assert sky.uplink.silences[0].device == "default/d0"
                sky.cloud.mute = set()
        assert sky.uplink.silences == ()
