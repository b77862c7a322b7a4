from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.manifest.window import Window
from rules.window import Hours
from twins.errors import Rejected

BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def test_a_window_over_midnight_is_open_from_its_start_until_just_before_its_end():
    night = Hours(Window("22:00", "06:00", "UTC"), BERLIN)
    assert night.zone == "UTC"
    times = ["21:59:59", "22:00:00", "23:59:59", "00:00:00", "05:59:59", "06:00:00", "12:00:00"]
    assert [night.contains(at(f"2025-01-01T{time}")) for time in times] == [False, True, True, True, True, False, False]


def test_a_window_within_a_day():
    day = Hours(Window("09:00", "17:30"), "UTC")
    assert [day.contains(at(f"2025-01-01T{time}")) for time in ("08:59", "09:00", "17:29", "17:30")] == [
        False,
        True,
        True,
        False,
    ]


def test_the_sites_zone_counts_where_the_window_names_none():
    night = Hours(Window("22:00", "06:00"), BERLIN)
    assert night.contains(at("2025-01-01T21:00"))  # 22:00 in winter
    assert not night.contains(at("2025-01-01T20:59"))
    assert night.contains(at("2025-07-01T20:00"))  # 22:00 in summer
    assert not night.contains(at("2025-07-01T19:59"))


def test_the_repeated_hour_of_autumn_counts_twice_and_the_skipped_hour_of_spring_never():
    early = Hours(Window("02:00", "03:00"), BERLIN)
    autumn = [
        early.contains(at(f"2025-10-26T{time}")) for time in ("23:59", "00:00", "00:59", "01:00", "01:59", "02:00")
    ]
    assert autumn == [False, True, True, True, True, False]
    spring = [early.contains(at("2025-03-30T00:00") + minute * 60_000_000) for minute in range(180)]
    assert not any(spring)


@given(st.integers(0, 4_000_000_000), st.integers(0, 1439), st.integers(0, 1439))
def test_a_window_and_its_complement_share_no_moment(second, start, end):
    clocks = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
    inside = Hours(Window(clocks[0], clocks[1]), BERLIN).contains(second * 1_000_000)
    outside = Hours(Window(clocks[1], clocks[0]), BERLIN).contains(second * 1_000_000)
    assert (start == end and not inside) or inside is not outside


@pytest.mark.parametrize("zone", ["Europe/Berlim", "../etc/passwd", "/etc/passwd", "x" * 300, "\0"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(Rejected, match="IANA"):
        Hours(Window("22:00", "06:00", zone), "UTC")


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens():
    weekend = Hours(Window("22:00", "06:00", "UTC", ("fri", "sat")), BERLIN)
    opened = ("2026-11-20T22:00", "2026-11-21T05:59", "2026-11-21T22:00", "2026-11-22T05:59")  # Friday to Sunday
    shut = ("2026-11-20T05:59", "2026-11-21T06:00", "2026-11-22T06:00", "2026-11-22T22:00", "2026-11-23T05:00")
    assert [time for time in (*opened, *shut) if weekend.contains(at(time))] == list(opened)


def test_a_window_of_whole_days_ends_at_24_o_clock():
    days = Hours(Window("00:00", "24:00", BERLIN, ("sat", "sun")), "UTC")
    times = ["2026-11-20T22:59", "2026-11-20T23:00", "2026-11-22T22:59", "2026-11-22T23:00"]
    assert [days.contains(at(time)) for time in times] == [False, True, True, False]
