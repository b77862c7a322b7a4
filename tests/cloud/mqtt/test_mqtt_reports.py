from __future__ import annotations

import json
from typing import Any

import aiomqtt

from cloud.mqtt.backlog import ROOM, Backlog
from cloud.mqtt.reports import PART, Report, Reporter
from cloud.mqtt.topics import Topics
from twins.stimuli import Confirmed, Edit, Updated
from twins.twin import Twins

D1 = "default/d1"


class Device:
    """A device that reports."""

    def __init__(self) -> None:
        self.twins = Twins(enrols=True)
        self.reporter = Reporter(Topics("gemelo", "edge-1"), lambda device, name, value: value.at)

    def update(self, **edits: Edit | None) -> None:
        self.twins.handle(Updated(D1, "mqtt:1:1", 2_000_000, dict(edits), 1_000_000))

    def news(self) -> Report | None:
        twin = self.twins.get(D1)
        assert twin is not None
        return self.reporter.news(twin, 3_000_000, "mqtt:1:1")

    def confirm(self, report: Report) -> None:
        self.twins.handle(Confirmed(D1, "c", 4, report.versions, report.joined))


def data(payload: bytes) -> Any:
    return json.loads(payload)["data"]


def test_a_report_has_only_the_sides_that_are_not_confirmed() -> None:
    device = Device()
    device.update(t=Edit(reported="1"), mode=Edit(reported="eco"))
    first = device.news()
    assert first is not None
    assert first.topic == "gemelo/edge-1/twins/default/d1/reported"
    assert data(first.payloads[0])["properties"].keys() == {"t", "mode"}
    device.confirm(first)
    assert device.news() is None
    device.update(t=Edit(reported="2"), mode=Edit(desired="boost"))
    second = device.news()
    assert second is not None
    assert data(second.payloads[0])["properties"] == {
        "t": {"type": "string", "reported": {"version": 2, "value": "2", "at": 2000}},
        "mode": {"type": "string", "desired": {"version": 1, "value": "boost", "at": 2000, "requested": 0}},
    }


def test_a_property_that_was_removed_is_told_without_its_values() -> None:
    device = Device()
    device.update(t=Edit(reported="secret"))
    device.update(t=None)
    report = device.news()
    assert report is not None
    assert data(report.payloads[0])["properties"] == {"t": {"deleted": True, "reported": {"version": 2}}}


def test_a_long_twin_goes_in_parts_that_together_are_all() -> None:
    device = Device()
    device.update(**{f"p{n}": Edit(reported="x" * 8000) for n in range(30)})
    report = device.news()
    assert report is not None
    parts = [data(payload)["properties"] for payload in report.payloads]
    assert len(parts) == 4
    assert all(len(payload) < 2 * PART for payload in report.payloads)
    assert sorted(name for part in parts for name in part) == sorted(report.versions)
    twin = device.twins.get(D1)
    assert twin is not None
    whole = [data(payload) for payload in device.reporter.whole(twin, 1, "get").payloads]
    assert [(part["part"], part["parts"]) for part in whole] == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_a_backlog_takes_so_many_bytes_and_tells_when_more_came() -> None:
    def message(length: int, qos: int = 1) -> aiomqtt.Message:
        return aiomqtt.Message("t", bytes(length), qos, False, 1, None)

    backlog = Backlog()
    backlog.put_nowait(message(ROOM))
    backlog.put_nowait(message(1, 0))
    assert (backlog.qsize(), backlog.overran) == (1, False), "of QoS 0 nothing is promised"
    backlog.put_nowait(message(1))
    assert (backlog.qsize(), backlog.overran) == (1, True)
    backlog.get_nowait()
    backlog.put_nowait(message(ROOM))
    assert backlog.qsize() == 1
