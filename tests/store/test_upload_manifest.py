"""What an upload's manifest may say, and when what it says is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from store.uploads import schedule
from store.uploads.manifest import Upload
from store.uploads.pace import Pace
from store.uploads.selection import Gate, Selection, blocks_of
from store.uploads.work import Job, Part, Source, jobs, less, together
from tests.clock import SleepingClock
from tests.store.lab import upload
from twins.cron import following
from twins.errors import Rejected

TO = {"url": "s3://lake/plant"}
EVERY = {"scheduled": {"cron": "*/15 * * * *"}}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"policy": {}}, "policy: exactly one of"),
        ({"policy": {"never": {}, "onDemand": {}}}, "here onDemand and never"),
        ({"select": {}}, "select: name series"),
        ({"policy": {"never": {}}}, "destination: what never goes has none"),
        ({"destination": None}, "destination: missing"),
        ({"destination": {"url": "ftp://lake"}}, "ftp is not one of"),
        ({"destination": {"url": "s3:///prefix"}}, "bucket is missing"),
        ({"destination": {"url": "file://lake/x"}}, "whole/path"),
        ({"destination": {"url": "s3://key:secret@lake/x"}}, "credentialsFile"),
        ({"destination": TO | {"endpoint": "http://10.0.0.7:9000"}}, "insecure: true"),
        ({"destination": TO | {"endpoint": "10.0.0.7"}}, "is https://host"),
        ({"policy": {"scheduled": {"cron": "61 * * * *"}}}, "cron: '61"),
        ({"policy": {"scheduled": {"cron": "@daily"}}}, "five fields"),
        ({"policy": {"scheduled": {"cron": "0 3 30 2 *"}}}, "bad day-of-month"),
        ({"policy": {"scheduled": {"cron": "0 3 * * *", "window": {"from": "25:00", "to": "06:00"}}}}, "an hour of"),
        ({"policy": {"onEvent": {"before": "soon"}}}, "onEvent.before"),
        ({"sampling": {}}, "sampling: exactly one"),
        ({"sampling": {"rate": "0s"}}, "sampling.rate"),
        ({"sampling": {"everyN": 1}}, "sampling.everyN"),
        ({"align": {"every": "1m"}}, "needs policy.scheduled"),
        ({"policy": EVERY, "align": {"every": "1m"}, "sampling": {"everyN": 2}}, "nothing to do"),
        ({"policy": EVERY, "align": {"every": "1m"}, "select": {"series": ["*"], "kinds": ["results"]}}, "only points"),
        ({"colour": "red"}, "no such key"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_field(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        upload(**({"destination": TO} | spec))
    assert reason in str(refused.value)


def test_what_can_be_meant_is_taken() -> None:
    for spec in (
        {"destination": TO | {"endpoint": "http://127.0.0.1:9000"}},
        {"destination": TO | {"endpoint": "http://10.0.0.7:9000", "insecure": True}},
        {"destination": {"url": "az://lake/x"}, "policy": {"onEvent": {"before": "1m", "after": 5}}},
        {"destination": {"url": "file:///var/lake"}, "policy": EVERY, "align": {"every": "10s", "method": "linear"}},
    ):
        assert isinstance(upload(**spec), Upload)
    assert upload(policy={"never": {}}).blocks


def micros(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1e6)


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("*/15 * * * *", "2026-06-01T10:07", "2026-06-01T10:15"),
        ("0 3 * * *", "2026-06-01T03:00", "2026-06-02T03:00"),
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-29T03:00"),  # half past two is not there that night
        ("0 6 * * MON-FRI", "2026-06-05T07:00", "2026-06-08T06:00"),
    ],
)
def test_a_schedule_goes_by_the_clock_on_the_wall(cron: str, after: str, due: str) -> None:
    zone = "Europe/Berlin"
    assert following(cron, micros(after, zone), zone) == micros(due, zone)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        (("22:00", "06:00"), "2026-06-01T23:30", "2026-06-01T23:30"),
        (("22:00", "06:00"), "2026-06-01T05:59", "2026-06-01T05:59"),
        (("22:00", "06:00"), "2026-06-01T06:00", "2026-06-01T22:00"),
        (("01:00", "05:00"), "2026-06-01T05:00", "2026-06-02T01:00"),
        (("01:00", "05:00"), "2026-06-01T00:30", "2026-06-01T01:00"),
        (("03:00", "03:00"), "2026-06-01T12:00", "2026-06-01T12:00"),
        (None, "2026-06-01T12:00", "2026-06-01T12:00"),
    ],
)
def test_a_window_may_span_midnight(window: tuple[str, str] | None, now: str, opens: str) -> None:
    zone = "Europe/Berlin"
    assert schedule.opens(window, micros(now, zone), zone) == micros(opens, zone)


@pytest.mark.parametrize(
    ("select", "series", "fits"),
    [
        ({"series": ["default/pump-*/temp*"]}, "default/pump-1/temperature", True),
        ({"series": ["default/pump-*/temp*"]}, "default/pump-1/pressure", False),
        ({"series": ["*/flow"]}, "plant/a/b/flow", True),
        ({"series": ["*"]}, "default/door/pictures", True),
        ({"cameras": ["default/door"]}, "default/door/results", True),
        ({"cameras": ["default/door"]}, "default/door-2/results", False),
        ({"namespaces": ["secret"]}, "secret/x/y", True),
        ({"namespaces": ["secret"]}, "secrets/x/y", False),
        ({"series": ["default/[ab]/x"]}, "default/a/x", True),
    ],
)
def test_names_are_chosen_by_pattern(select: dict[str, Any], series: str, fits: bool) -> None:
    namespace, device, name = series.split("/", 2)
    assert Selection(upload(select=select, policy={"never": {}}).spec.select).fits(namespace, device, name) is fits


def test_a_block_holds_whatever_is_wanted() -> None:
    private = upload("private", select={"cameras": ["default/bed"], "kinds": ["points"]}, policy={"never": {}})
    wanted = Selection(upload(destination=TO).spec.select)
    gate = Gate(wanted, blocks_of({private.id: private, "default/x": upload("x", destination=TO)}))
    assert gate.verdict("default", "bed", "pictures") == (True, "default/private")
    assert gate.verdict("default", "hall", "pictures") == (True, "")
    assert gate.sorted(["default/bed/t", "default/hall/t"]) == ({"default/private": ["default/bed/t"]}, 1)


async def test_a_pace_is_kept_over_time_with_a_second_at_once() -> None:
    clock = SleepingClock()
    pace = Pace(1000, clock)
    for _ in range(100):
        await pace.take(100)
    assert 8.9 <= clock.time <= 9.1
    clock.time += 1000
    await pace.take(1000)
    assert clock.time <= 1009.1


def test_what_is_left_of_a_span() -> None:
    assert less((0, 100), [(10, 19), (50, 60)]) == [(0, 9), (20, 49), (61, 100)]
    assert less((0, 100), [(-5, 200)]) == []
    assert less((5, 4), []) == []
    assert together([(5, 9), (0, 3), (4, 4), (20, 30), (25, 26)]) == [(0, 9), (20, 30)]


def test_what_was_begun_goes_first_under_its_old_name(tmp_path: Any) -> None:
    old, new = (Source(name, "points", tmp_path, 0, 99, 10, 10, name) for name in ("b", "a"))
    parts = {"b": [Part("b", 0, 9, "token", done=False), Part("b", 20, 29, "", done=True)]}
    found = jobs([new, old], parts, (0, 50), "plan")
    assert found[0] == Job(old, (0, 9), "token", begun=True)
    assert [(job.source.name, job.span) for job in found[1:]] == [("a", (0, 50)), ("b", (10, 19)), ("b", (30, 50))]
    assert len({job.token for job in found}) == 4
    other = jobs([new, old], parts, (0, 50), "another")
    assert [job.token for job in other[1:]] != [job.token for job in found[1:]]
