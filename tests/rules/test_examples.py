"""The rules of the documentation, in virtual time."""

from __future__ import annotations

from datetime import UTC, datetime

from rules.instructions import Raise

EVENING = int(datetime(2025, 1, 1, 20, 59, tzinfo=UTC).timestamp() * 1e6)  # 21:59 in Berlin


def test_two_seconds_of_heat_start_the_pump_and_the_lower_limit_stops_it(site, example, look):
    site.apply(example("overheat"))
    site.fact("thermometer-2", "temperature", 33)
    assert look.asked(site.wait(1.9)) == []
    out = site.wait(0.1)
    assert look.asked(out) == [("default/pump-2", {"speed": "80"})]
    assert look.told(out) == ["default/thermometer-2 has 33 °C, above 32 °C"]
    assert site.state("default/thermometer-2") == "Hot"
    assert look.asked(site.fact("thermometer-2", "temperature", 30)) == []
    assert look.asked(site.fact("thermometer-2", "temperature", 28.9)) == [("default/pump-2", {"speed": "0"})]
    assert site.state("default/thermometer-2") == "Normal"


def test_a_moment_of_heat_starts_nothing(site, example, look):
    site.apply(example("overheat"))
    site.fact("thermometer-2", "temperature", 33)
    site.wait(1)
    site.fact("thermometer-2", "temperature", 31)
    site.wait(0.5)
    site.fact("thermometer-2", "temperature", 33)
    assert look.asked(site.wait(1.9)) == []
    assert look.asked(site.wait(0.1)) == [("default/pump-2", {"speed": "80"})]


def test_an_open_door_is_told_after_ten_seconds_and_then_every_minute(site, example, look):
    site.apply(example("door-open"))
    site.fact("door-1", "open", "true")
    site.wait(5)
    site.fact("door-1", "open", "true")
    assert look.told(site.wait(4.9)) == []
    assert look.told(site.wait(0.1)) == ["default/door-1 is open (reminder 1)"]
    assert look.told(site.wait(120)) == [f"default/door-1 is open (reminder {n})" for n in (2, 3)]
    site.fact("door-1", "open", "false")
    assert site.timers == {}
    assert look.told(site.wait(3600)) == []
    site.fact("door-1", "open", "true")
    assert look.told(site.wait(10)) == ["default/door-1 is open (reminder 1)"]


def test_a_door_timer_survives_a_restart_with_the_right_time_left(site, example, look):
    site.apply(example("door-open"))
    site.fact("door-1", "open", "true")
    site.wait(6)
    site.restart(example("door-open"))
    assert look.told(site.wait(3.9)) == []
    assert look.told(site.wait(0.1)) == ["default/door-1 is open (reminder 1)"]


def test_a_person_at_night_is_told_with_a_picture_once_in_five_minutes(make_site, example, look):
    site = make_site("Europe/Berlin", EVENING).apply(example("intruder"))
    assert look.told(site.fact("camera-1", "person.count", 1)) == []  # before 22:00
    site.wait(60)
    out = site.fact("camera-1", "person.count", 2)
    assert look.told(out) == ["2 person(s) at default/camera-1"]
    event = next(each.event for each in out if isinstance(each, Raise))
    assert event.detail["picture"] == "default/camera-1"
    assert (event.kind, event.object, event.severity) == ("alert", "default/camera-1", "alert")
    site.wait(299)
    assert look.told(site.fact("camera-1", "person.count", 2)) == []
    site.wait(1)
    assert look.told(site.fact("camera-1", "person.count", 1)) == ["1 person(s) at default/camera-1"]


def test_nobody_is_told_of_an_empty_picture(make_site, example, look):
    site = make_site("Europe/Berlin", EVENING + 3_600_000_000).apply(example("intruder"))
    assert look.told(site.fact("camera-1", "person.count", 0)) == []
