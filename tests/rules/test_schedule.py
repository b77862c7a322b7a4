"""Schedules: rules that are evaluated at times of the calendar."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from rules.instructions import Decided, Wake

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600 * 1_000_000
RING = {"name": "ring", "when": 'schedule("s")', "do": [{"alert": {"message": "it is time"}}]}
STATES = {"A": {"onInput": {"events": [RING]}}}


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1e6)


def every(cron, **more):
    return {"s": {"cron": cron, "zone": "Europe/Berlin"} | more}


def rung(site, text, hours):
    """The local times at which it rings in so many hours after `text`."""
    site.wait(hours * 3600)
    return [
        datetime.fromtimestamp(each.event.at / 1e6, BERLIN).strftime("%d %H:%M %Z")
        for each in site.done
        if hasattr(each, "event") and each.event.message == "it is time"
    ]


@pytest.mark.parametrize(
    ("cron", "start", "times"),
    [
        ("0 6 * * 1-5", "2026-03-26T12:00", ["27 06:00 CET", "30 06:00 CEST"]),
        ("30 2 * * *", "2026-03-28T12:00", ["29 03:00 CEST", "30 02:30 CEST"]),  # the hour that is left out
        ("30 2 * * *", "2026-10-24T12:00", ["25 02:30 CEST", "26 02:30 CET"]),  # the hour that comes twice
        ("0 */12 * * *", "2026-10-24T13:00", ["25 00:00 CEST", "25 12:00 CET", "26 00:00 CET", "26 12:00 CET"]),
    ],
)
def test_a_schedule_goes_by_the_local_clock_across_summer_time(make_site, detector, cron, start, times):
    site = make_site(start=at(start))
    site.apply(detector(key="all", inputs={}, schedules=every(cron), states=STATES))
    assert rung(site, start, 24 * (4 if "1-5" in cron else 2)) == times


def test_every_instance_is_evaluated_by_key_and_those_that_are_not_there_are_not(site, detector, look):
    site.apply(detector(schedules=every("0 * * * *"), states=STATES))
    assert look.told(site.wait(3600)) == []
    for device in ("t-2", "t-1"):
        site.fact(device, "t", 1)
    out = site.wait(3600)
    assert [each.key for each in out if isinstance(each, Decided)] == ["default/t-1", "default/t-2"]
    assert {each.cause for each in out if isinstance(each, Decided)} == {f"schedule:default/rule/s:{2 * HOUR}"}
    assert len({each.event.id for each in site.done if hasattr(each, "event")}) == 2


def test_a_rule_for_all_has_its_instance_at_its_first_schedule(site, detector, look):
    made = detector(key="all", inputs={}, variables={"n": 0}, schedules=every("0 * * * *"), states=STATES)
    site.apply(made)
    assert look.told(site.wait(3600)) == ["it is time"]
    site.restart(made)
    assert look.told(site.wait(3600)) == ["it is time"]
    assert site.state("all") == "A"
    assert len({each.event.id for each in site.done if hasattr(each, "event")}) == 2


def test_overdue_timers_of_an_instance_come_before_the_schedule(site, detector, look):
    enter = {"events": [{"do": [{"timer": {"name": "x", "seconds": 3599}}]}]}
    events = [RING, {"name": "timer", "when": 'timeout("x")', "do": [{"alert": {"message": "timer"}}]}]
    site.apply(detector(schedules=every("0 * * * *"), states={"A": {"onEnter": enter, "onInput": {"events": events}}}))
    site.fact("t-1", "t", 1)
    out = site.rules.expire("default/rule/#at:s", HOUR, "c")
    assert look.told(out) == ["timer", "it is time"]


def test_a_changed_schedule_takes_the_place_of_the_older_and_one_that_is_gone_is_taken_back(site, detector):
    site.apply(detector(schedules=every("0 * * * *") | {"t": {"cron": "0 0 * * *"}}))
    assert {name: due for name, (due, _) in site.timers.items()} == {
        "default/rule/#at:s": HOUR,
        "default/rule/#at:t": 24 * HOUR,
    }
    site.wait(60)
    site.apply(detector(schedules=every("30 * * * *")))
    assert {name: due for name, (due, _) in site.timers.items()} == {"default/rule/#at:s": HOUR // 2}
    site._carry_out(site.rules.remove("default/rule"))
    assert site.timers == {}


@pytest.mark.parametrize(("late", "times"), [("fire", 1), ("skip", 0)])
def test_schedules_that_were_missed_while_the_gateway_was_down_come_once_or_not_at_all(
    site, detector, look, late, times
):
    made = detector(key="all", inputs={}, schedules=every("0 * * * *", late=late), states=STATES)
    site.apply(made)
    site.down(5.5 * 3600, made)
    assert look.told(site.wait(0)) == ["it is time"] * times
    assert look.told(site.wait(3600)) == ["it is time"]


@pytest.mark.parametrize(("late", "times"), [("fire", 1), ("skip", 0)])
def test_a_clock_that_is_set_over_a_schedule_has_missed_it(site, detector, look, late, times):
    site.apply(detector(key="all", inputs={}, schedules=every("0 6 * * *", late=late), states=STATES))
    site.now = 10 * HOUR
    site._carry_out(site.rules.set_clock(site.now, site.now))
    assert look.told(site.wait(0)) == ["it is time"] * times


@pytest.mark.parametrize(("back", "again"), [(1, 0), (2.9, 0), (3, 1), (24 * 365, 1)])
def test_what_came_comes_again_only_if_the_clock_is_set_far_back(make_site, detector, look, back, again):
    site = make_site(start=at("2026-06-01T07:00"))
    site.apply(detector(key="all", inputs={}, schedules=every("30 7 * * *"), states=STATES))
    assert len(look.told(site.wait(3600))) == 1
    jump = round(back * HOUR)
    site.now -= jump
    site._carry_out(site.rules.set_clock(site.now, -jump))
    assert len(look.told(site.wait(4 * 3600 if back < 24 else 24 * 3600))) == again


def test_a_due_time_that_another_life_left_is_not_written_again(site, detector):
    made = detector(schedules=every("0 * * * *"))
    site.apply(made)
    before = dict(site.timers)
    site.now = HOUR // 2
    site.done.clear()
    site.restart(made)
    assert (site.done, site.timers) == ([], before)


def test_one_that_rings_early_is_set_again(site, detector):
    site.apply(detector(schedules=every("0 * * * *")))
    (again,) = site.rules.expire("default/rule/#at:s", HOUR - 1, "c")
    assert isinstance(again, Wake)
    assert again.due == HOUR
    assert site.rules.expire("default/rule/#at:gone", HOUR, "c") == []
