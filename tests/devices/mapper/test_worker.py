"""One device: its cycles, its writes, its states, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devices.mapper.config import MapperConfig
from devices.mapper.device import Device, Property, seconds
from devices.mapper.reports import Reading, Report, Reports, State
from devices.mapper.worker import Worker
from tests.clock import VirtualClock, in_virtual_time
from tests.devices.mapper.bench import Bench, Settings, described, whole
from twins.errors import Rejected, Unavailable
from twins.values import Declared


class Told:
    """What a device told, with the (virtual) second in which it did."""

    def __init__(self, worker: Worker, reports: Reports) -> None:
        self.worker = worker
        self.reports: list[tuple[float, Report]] = []
        self._reports = reports

    async def listen(self) -> None:
        while True:
            report = await self._reports.next()
            self.reports.append((round(asyncio.get_running_loop().time(), 3), report))
            self._reports.done(report)

    def values(self, name: str) -> list[str]:
        return [item.text for item in self.items(name)]

    def items(self, name: str) -> list[Reading]:
        found = [report.items[name] for _, report in self.reports if name in report.items]
        return [item for item in found if isinstance(item, Reading)]

    def times(self, name: str) -> list[float]:
        return [at for at, report in self.reports if name in report.items]

    @property
    def states(self) -> list[State]:
        found = [report.items[""] for _, report in self.reports if "" in report.items]
        return [item for item in found if isinstance(item, State)]


@asynccontextmanager
async def working(bench: Bench, device: Device) -> AsyncIterator[Told]:
    reports = Reports()
    worker = Worker(device, bench.driver, reports, VirtualClock(), MapperConfig())
    told = Told(worker, reports)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.run()), group.create_task(told.listen())]
        yield told
        for task in tasks:
            task.cancel()


@in_virtual_time
async def test_map_08_a_property_without_a_cycle_is_reported_each_second() -> None:
    bench = Bench()
    bench.values = {"temp": 21}
    async with working(bench, described(temp=Property("temp", cycle=seconds(0), reported=True))) as told:
        await asyncio.sleep(3.5)
    assert told.times("temp") == [0, 1, 2, 3]


@in_virtual_time
async def test_map_09_a_cycle_is_milliseconds() -> None:
    bench = Bench()
    bench.values = {"temp": 21}
    async with working(bench, described(temp=Property("temp", cycle=seconds(500), reported=True))) as told:
        await asyncio.sleep(1.9)
    assert told.times("temp") == [0, 0.5, 1, 1.5]


@in_virtual_time
async def test_map_10_an_update_of_one_property_writes_only_that_one() -> None:
    bench = Bench()
    async with working(bench, described(a="1", b="2", c="")) as told:
        await asyncio.sleep(0.5)
        assert bench.written == [("a", 1), ("b", 2)]
        told.worker.update(described(a="1", b="3", c=""))
        await asyncio.sleep(0.1)
    assert bench.written == [("a", 1), ("b", 2), ("b", 3)]


@in_virtual_time
async def test_what_is_due_together_is_read_at_once_and_told_in_one_report() -> None:
    bench = Bench()
    bench.values = {"a": 1, "b": 2, "c": 3}
    slow = Property("c", cycle=2.0, reported=True)
    async with working(bench, described(a="", b="", c=slow)) as told:
        await asyncio.sleep(2.5)
    assert bench.reads == [("a", "b", "c"), ("a", "b"), ("a", "b", "c")]
    assert [list(report.items) for _, report in told.reports if "" not in report.items] == [
        list(r) for r in bench.reads
    ]


@in_virtual_time
async def test_what_is_not_to_be_reported_is_not_read_by_itself() -> None:
    bench = Bench()
    bench.values = {"a": 1}
    async with working(bench, described(a=whole("a", reported=False))) as told:
        await asyncio.sleep(5)
        assert bench.reads == []
        assert (await told.worker.read("a")).text == "1"


@in_virtual_time
async def test_a_write_is_read_back_at_once_with_what_was_desired() -> None:
    bench = Bench()
    bench.values = {"level": 0}
    async with working(bench, described(level=whole("level", cycle=600.0))) as told:
        await asyncio.sleep(1)
        told.worker.update(described(level=whole("level", "7", cycle=600.0)))
        await asyncio.sleep(1)
    assert [(item.text, item.desired) for item in told.items("level")] == [("0", ""), ("7", "7")]
    assert told.times("level") == [0, 1]


@in_virtual_time
async def test_dmi_20_a_property_that_is_read_only_is_never_written() -> None:
    bench = Bench()
    bench.values = {"temp": 1}
    fixed = Property("temp", Declared(kind="int", writable=False, desired="9"))
    async with working(bench, described(temp=fixed)) as told:
        await asyncio.sleep(1)
        with pytest.raises(Rejected, match="read only"):
            await told.worker.write("temp", "9")
    assert bench.written == []


@in_virtual_time
async def test_dmi_20_a_desired_value_out_of_bounds_is_not_written_and_told_as_a_reason() -> None:
    bench = Bench()
    bounded = Property("level", Declared(kind="int", desired="101", minimum=0, maximum=100))
    async with working(bench, described(level=bounded)) as told:
        await asyncio.sleep(1)
        reason = "level: the value of level is above the maximum 100 of its model"
        assert told.states == [State("unhealthy", reason)]
        told.worker.update(described(level=Property("level", Declared(kind="int", desired="99", maximum=100))))
        await asyncio.sleep(1)
    assert bench.written == [("level", 99)]
    assert told.states[-1] == State("online")


@in_virtual_time
async def test_one_property_that_fails_leaves_the_others_and_the_device_is_unhealthy() -> None:
    bench = Bench()
    bench.values = {"good": 1, "bad": Rejected("illegal address"), "broken": ZeroDivisionError("oh")}
    async with working(bench, described(good="", bad="", broken="")) as told:
        await asyncio.sleep(2.5)
        assert told.values("good") == ["1", "1", "1"]
        assert told.states == [State("unhealthy", "bad: illegal address; broken: ZeroDivisionError: oh")]
        bench.values |= {"bad": 2, "broken": 3}
        await asyncio.sleep(1)
    assert told.states[-1] == State("online")
    assert len(bench.opened) == 1


@in_virtual_time
async def test_a_driver_that_gives_back_nonsense_breaks_nothing_but_its_device() -> None:
    bench = Bench()
    bench.values = {"temp": [1, 2]}

    class Nonsense(bench.driver):
        async def read_many(self, visitors: object) -> object:
            return 7

    async with working(bench, described(temp="")) as told:
        await asyncio.sleep(1)
        assert told.states[0].name == "unhealthy"
        assert told.states[0].reason.startswith("temp: ")
    bench.driver = Nonsense
    async with working(bench, described(temp="")) as told:
        await asyncio.sleep(1)
    assert told.states[0] == State("unhealthy", "AttributeError: 'int' object has no attribute 'get'")


@in_virtual_time
async def test_a_device_that_is_away_is_offline_with_a_reason_and_is_tried_again() -> None:
    bench = Bench()
    bench.values = {"temp": 1}
    bench.away = {"here": ConnectionRefusedError("nobody there")}
    async with working(bench, described(temp="")) as told:
        await asyncio.sleep(60)
        assert told.states == [State("offline", "nobody there")]
        tries = len(bench.opened)
        assert 4 <= tries <= 300  # backing off
        assert bench.closed == ["here"] * tries
        bench.away = {}
        await asyncio.sleep(60)
    assert told.states[-1] == State("online")
    assert told.values("temp")


@in_virtual_time
async def test_what_was_desired_of_a_device_that_was_away_is_written_when_it_is_back_and_only_the_newest() -> None:
    bench = Bench()
    bench.away = {"here": OSError("unplugged")}
    async with working(bench, described(level="1")) as told:
        await asyncio.sleep(10)
        told.worker.update(described(level="2"))
        told.worker.update(described(level="3"))
        bench.away = {}
        await asyncio.sleep(60)
    assert bench.written == [("level", 3)]


@in_virtual_time
async def test_a_read_that_is_not_answered_in_time_makes_the_device_offline() -> None:
    bench = Bench()
    bench.hangs = {"here"}
    async with working(bench, described(temp="")) as told:
        await asyncio.sleep(6)
    assert told.states == [State("offline", "no answer within 5 s while reading temp")]
    assert bench.closed


@in_virtual_time
async def test_another_address_is_another_device_and_gets_all_that_is_desired() -> None:
    bench = Bench()
    async with working(bench, described("old", a="1", b="2")) as told:
        await asyncio.sleep(1)
        told.worker.update(described("new", a="1", b="2"))
        await asyncio.sleep(1)
    assert [settings.place for settings in bench.opened] == ["old", "new"]
    assert bench.closed == ["old", "new"]
    assert bench.written == [("a", 1), ("b", 2)] * 2


@in_virtual_time
async def test_settings_that_are_wrong_are_told_with_the_key_and_mended_by_an_update() -> None:
    bench = Bench()
    bench.values = {"temp": 1}
    wrong = Device("default", "d1", settings={"plase": "x"}, properties={"temp": whole("temp")})
    async with working(bench, wrong) as told:
        await asyncio.sleep(100)
        [state] = told.states
        assert state.name == "unhealthy"
        assert "default/d1: spec.protocol.configData: plase: no such key; did you mean place?" in state.reason
        told.worker.update(described(temp=""))
        await asyncio.sleep(1)
    assert told.values("temp")
    assert told.states[-1] == State("online")


@in_virtual_time
async def test_a_number_may_be_written_as_text() -> None:
    bench = Bench()
    device = Device("default", "d1", settings={"place": "here", "port": "502"})
    async with working(bench, device):
        await asyncio.sleep(0.1)
    assert bench.opened == [Settings("here", 502)]


@in_virtual_time
async def test_a_visitor_that_is_wrong_spoils_its_own_property_alone() -> None:
    bench = Bench()
    bench.values = {"good": 1}
    async with working(bench, described(good="", bad=whole("bad", visitor={"at": "x"}))) as told:
        await asyncio.sleep(0.5)
    assert told.values("good") == ["1"]
    assert told.states[0].name == "unhealthy"
    assert told.states[0].reason.startswith("bad: visitors.configData: at: ")


@in_virtual_time
async def test_a_state_cycle_repeats_the_state() -> None:
    bench = Bench()
    device = Device("default", "d1", settings={}, state_cycle=10.0)
    async with working(bench, device) as told:
        await asyncio.sleep(35)
        bench.condition = "ok"
        await asyncio.sleep(10)
    assert [state.name for state in told.states] == ["online"] * 4 + ["ok"]


@in_virtual_time
async def test_an_update_that_keeps_a_cycle_keeps_its_beat() -> None:
    bench = Bench()
    bench.values = {"temp": 1, "level": 0}
    async with working(bench, described(temp="", level=whole("level", reported=False))) as told:
        await asyncio.sleep(0.6)
        told.worker.update(described(temp="", level=whole("level", "4", reported=False)))
        await asyncio.sleep(1)
    assert told.times("temp") == [0, 1]


@in_virtual_time
async def test_an_unforeseen_error_of_a_driver_is_logged_once_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.values = {"temp": ZeroDivisionError("oh")}
    with caplog.at_level(logging.WARNING):
        async with working(bench, described(temp="")):
            await asyncio.sleep(10)
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@in_virtual_time
async def test_who_asks_a_device_that_is_not_connected_hears_why() -> None:
    bench = Bench()
    bench.away = {"here": OSError("unplugged")}
    async with working(bench, described(level="")) as told:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="offline: unplugged"):
            await told.worker.read("level")
        with pytest.raises(Rejected, match="no property nope"):
            await told.worker.read("nope")
