from __future__ import annotations

import json

import pytest

from simulator.ledger import evidence
from simulator.ledger.evidence import Cloud

START = 1_760_000_000_000


async def test_points_come_back_with_device_property_time_and_value(shelf, serve):
    shelf.point("default/pump-1", "flow", START, 4.5)
    shelf.point("plant-2/pump-1", "flow", START, 9.0)
    shelf.point("default/pump-1", "mode", START + 1, "auto")
    async with serve() as store:
        count, value = await store.points(["default/pump-1"])
    assert dict(count) == {("default/pump-1", "flow", START): 1, ("default/pump-1", "mode", START + 1): 1}
    assert value["default/pump-1", "flow", START] == 4.5
    assert value["default/pump-1", "mode", START + 1] == "auto"


@pytest.mark.parametrize("page", [4, 5, 7, 12, 13, 19, 100])
async def test_pages_of_any_size_give_each_point_once_also_when_one_cuts_an_instant(shelf, serve, monkeypatch, page):
    monkeypatch.setattr(evidence, "PAGE", page)
    names = ("flow", "speed")
    for ms in range(12):
        for name in names[: 1 + ms % 2]:
            shelf.point("default/pump-1", name, START + ms, float(ms))
    shelf.point("default/pump-1", "flow", START + 5, 5.0)  # doubled
    async with serve() as store:
        count, _ = await store.points(["default/pump-1"])
    wanted = {("default/pump-1", n, START + ms): 1 for ms in range(12) for n in names[: 1 + ms % 2]}
    wanted["default/pump-1", "flow", START + 5] = 2
    assert dict(count) == wanted
    assert shelf.questions >= 19 // page


async def test_more_than_a_real_page_of_points_is_counted_to_the_last(shelf, serve):
    for number in range(evidence.PAGE * 2 + 17):
        shelf.point("default/pump-1", "flow", START + number // 2, float(number % 2))
    async with serve() as store:
        count, _ = await store.points(["default/pump-1"])
    assert sum(count.values()) == evidence.PAGE * 2 + 17
    assert shelf.questions == 3


async def test_an_instant_that_fills_a_page_is_told_and_not_asked_for_ever(shelf, serve, monkeypatch):
    monkeypatch.setattr(evidence, "PAGE", 3)
    for name in ("a", "b", "c", "d"):
        shelf.point("default/pump-1", name, START, 1.0)
    async with serve() as store:
        with pytest.raises(RuntimeError, match="too many to count"):
            await store.points(["default/pump-1"])


async def test_a_refused_question_carries_the_gateways_own_words(shelf, serve):
    async with serve() as store:
        with pytest.raises(RuntimeError, match="nowhere"):
            await store.ask("SELECT * FROM nowhere")


async def test_a_frame_answered_by_two_causes_or_with_a_row_twice_counts_twice(shelf, serve, monkeypatch):
    monkeypatch.setattr(evidence, "PAGE", 2)
    phone = "default/phone-1"
    shelf.result(phone, 0, "phone:1:0")
    shelf.result(phone, 1, "phone:1:1")
    shelf.result(phone, 1, "phone:1:1", "sad")  # a second face of the same picture
    shelf.result(phone, 2, "phone:1:2")
    shelf.result(phone, 2, "phone:1:9")
    shelf.result(phone, 3, "phone:1:3")
    shelf.result(phone, 3, "phone:1:3")
    shelf.result("default/phone-2", 4, "phone:1:4")
    async with serve() as store:
        assert await store.results(phone) == {0: 1, 1: 1, 2: 2, 3: 2}


async def test_a_decision_that_is_there_twice_is_doubled_and_two_of_one_rule_are_not(shelf, serve):
    shelf.event("alert", "overheat", "hot", "mqtt:1:1")
    shelf.event("alert", "overheat", "hot", "mqtt:1:2")
    shelf.event("alert", "overheat", "hot", "mqtt:1:2")
    shelf.event("twin", "default/pump-1", "apart", "mqtt:1:3")
    async with serve() as store:
        assert await store.decisions() == (3, 1)


def report(edge: int, *, device: str = "pump-1", side: str = "actual", verdict: str = "confirmed") -> str:
    said = {side: {"value": str(edge)}, f"{side}_version": {"cloud": 0, "edge": edge}}
    resource = f"device/default/{device}/twin/edge_updated"
    return json.dumps({"verdict": verdict, "route": {"resource": resource}, "content": {"twin": {"flow": said}}})


def test_reports_and_confirmed_reports_are_counted_and_other_messages_are_not(tmp_path):
    other = json.dumps({"verdict": "confirmed", "route": {"resource": "node/connection"}, "content": ""})
    lines = [report(1), other, report(2, verdict="ignored"), report(1, device="pump-2")]
    (tmp_path / "received.jsonl").write_text("\n".join(lines) + '\n{"verdict": "conf')
    cloud = Cloud.read(tmp_path)
    assert (cloud.sent, cloud.confirmed) == (3, 2)


def test_a_version_that_comes_after_a_newer_one_of_its_side_counts_as_backwards(tmp_path):
    ups = [report(1), report(2), report(2), report(5), report(9, device="pump-2"), report(4), report(6)]
    ups += [report(1, side="expected"), report(1, side="expected")]
    (tmp_path / "received.jsonl").write_text("\n".join(ups))
    assert Cloud.read(tmp_path).backwards == 1


def test_a_report_that_is_silent_of_a_side_says_nothing_of_its_version(tmp_path):
    bare = {"verdict": "confirmed", "route": {"resource": "device/default/pump-1/twin/edge_updated"}}
    lines = [report(3), json.dumps(bare | {"content": {"twin": {"flow": {"actual": {"value": "1"}}, "speed": None}}})]
    (tmp_path / "received.jsonl").write_text("\n".join(lines))
    assert Cloud.read(tmp_path).backwards == 0


def test_a_stand_in_that_received_nothing_has_nothing(tmp_path):
    assert Cloud.read(tmp_path) == Cloud()
