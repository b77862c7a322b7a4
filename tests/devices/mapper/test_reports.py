from __future__ import annotations

import asyncio

from devices.mapper.reports import Reading, Report, Reports, State
from tests.clock import in_virtual_time


def reading(text: str) -> Reading:
    return Reading(text, 0, "int", "")


@in_virtual_time
async def test_the_newest_reading_takes_the_place_of_one_that_waits() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": reading("1"), "b": reading("1")})
    reports.put("default/d1", {"a": reading("2")})
    report = await reports.next()
    assert report == Report("default/d1", {"a": reading("2"), "b": reading("1")})
    reports.done(report)
    assert reports.counts == {"offered": 3, "superseded": 1, "confirmed": 2}
    assert reports.waiting == 0


@in_virtual_time
async def test_what_was_put_while_a_report_was_under_way_is_told_next() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": reading("1")})
    report = await reports.next()
    reports.put("default/d1", {"a": reading("1")})
    reports.done(report)
    assert (await reports.next()).items["a"] is not report.items["a"]


@in_virtual_time
async def test_devices_take_turns_and_a_state_goes_before_readings() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": reading("1")})
    reports.put("default/d2", {"a": reading("1")})
    reports.tell("default/d1", State("online"))
    order = []
    for _ in range(3):
        report = await reports.next()
        order.append((report.device, *report.items))
        reports.done(report)
    assert order == [("default/d1", ""), ("default/d2", "a"), ("default/d1", "a")]


@in_virtual_time
async def test_what_could_not_be_told_stays_and_others_go_first() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": reading("1")})
    reports.put("default/d2", {"a": reading("1")})
    first = await reports.next()
    reports.later(first)
    assert [(await reports.next()).device, reports.waiting] == ["default/d2", 2]


@in_virtual_time
async def test_a_device_that_is_gone_is_forgotten() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": reading("1")})
    reports.put("default/d1", {})
    reports.forget("default/d1")
    reports.forget("default/d1")
    assert reports.counts == {"offered": 1, "superseded": 0, "forgotten": 1}


@in_virtual_time
async def test_a_reading_that_waits_tells_what_is_desired_now() -> None:
    reports = Reports()
    reports.put("default/d1", {"a": Reading("1", 5, "int", "old"), "b": reading("2")})
    sent = await reports.next()
    reports.amend("default/d1", {"a": "new", "c": "x"})
    reports.amend("default/d2", {"a": "new"})
    reports.done(sent)
    assert (await reports.next()).items == {"a": Reading("1", 5, "int", "new")}
    assert reports.counts == {"offered": 2, "superseded": 0, "confirmed": 1}


@in_virtual_time
async def test_who_waits_is_woken_by_the_first_reading() -> None:
    reports = Reports()
    asyncio.get_running_loop().call_later(5, reports.put, "default/d1", {"a": reading("1")})
    assert (await reports.next()).device == "default/d1"
