"""Each address, asked over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import io

import pytest
from aiohttp import FormData

from twins.errors import Unavailable
from web.config import WebConfig
from web.views import CameraView, Health, PartView

POWER = "/api/v1/devices/default/pump-1/desired/power"
ON = {"value": "true"}


async def test_livez_and_readyz_answer_200_when_all_is_well(serve):
    async with serve() as (_, client):
        for path, body in (("/livez", {"live": True, "reasons": []}), ("/readyz", {"ready": True, "reasons": []})):
            async with client.get(path) as answer:
                assert (answer.status, await answer.json()) == (200, body)


async def test_readyz_answers_503_with_the_reasons_while_recovering(serve, room):
    room.well = Health(live=True, ready=False, parts=(PartView("store", "degraded", "reading 1.2 M points"),))
    async with serve() as (_, client):
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"ready": False, "reasons": ["store: reading 1.2 M points"]}
        async with client.get("/livez") as answer:
            assert answer.status == 200


async def test_metrics_are_in_prometheus_text(serve):
    async with serve() as (_, client), client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert "gemelo_web_viewers 0.0" in await answer.text()


async def test_all_devices_are_listed_with_both_sides(serve):
    async with serve() as (_, client), client.get("/api/v1/devices") as answer:
        devices = await answer.json()
    assert [device["id"] for device in devices] == ["default/thermo-1", "default/pump-1", "plant-2/door-1"]
    assert devices[0]["properties"][0]["reported"] == "21.4"
    assert devices[1]["properties"][0]["desired"] is None


async def test_one_device_is_found_by_namespace_and_name(serve):
    async with serve() as (_, client), client.get("/api/v1/devices/plant-2/door-1") as answer:
        assert (await answer.json())["state"] == "offline"


async def test_an_unknown_device_is_a_problem_that_says_where_to_look(serve):
    async with serve() as (_, client), client.get("/api/v1/devices/default/nobody") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
        problem = await answer.json()
    assert problem["title"] == "Not Found"
    assert "default/nobody" in problem["detail"]
    assert "/api/v1/devices" in problem["detail"]


async def test_a_desired_value_is_asked_and_answered_with_its_cause(serve, room):
    async with serve() as (_, client), client.put(POWER, json=ON) as answer:
        assert (answer.status, await answer.json()) == (200, {"cause": "web:1:1"})
    assert room.asked == [("default/pump-1", "power", "true", "api")]


async def test_what_the_core_refuses_comes_back_with_its_code_and_reason(serve):
    async with (
        serve() as (_, client),
        client.put("/api/v1/devices/default/thermo-1/desired/temperature", json={"value": "1"}) as answer,
    ):
        assert answer.status == 409
        assert "read-only" in (await answer.json())["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"value": 1}',
        b'{"valu": "1"}',
        b'{"value": "\xff"}',
        b"[" * 100_000,
        b'{"value":' + b"[" * 100_000,
        b'{"other":' + b"[" * 100_000,
        b"NaN",
        gzip.compress(b'{"value": "true"}', mtime=0),
    ],
)
async def test_a_poisoned_body_is_refused_and_changes_nothing(serve, room, body):
    headers = {"Content-Type": "application/json"}
    async with serve() as (_, client), client.put(POWER, data=body, headers=headers) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
    assert room.asked == []


async def test_a_body_beyond_the_limit_is_refused(serve):
    async with serve() as (_, client):
        headers = {"Content-Type": "application/yaml"}
        async with client.post("/api/v1/manifests", data=io.BytesIO(b"a" * 1_100_000), headers=headers) as answer:
            assert answer.status == 413
            assert "1048576" in (await answer.json())["detail"]


async def test_history_is_the_past_of_a_property(serve):
    async with serve() as (_, client):
        path = "/api/v1/devices/default/thermo-1/history/temperature"
        async with client.get(path, params={"count": 3}) as answer:
            assert [point["value"] for point in await answer.json()] == ["20.17", "19.92", "19.68"]
        async with client.get(path, params={"count": "-1"}) as answer:
            assert answer.status == 400


async def test_events_rules_and_cloud_are_shown(serve):
    async with serve() as (_, client):
        async with client.get("/api/v1/events") as answer:
            assert (await answer.json())[0]["cause"] == "mqtt:1:7"
        async with client.get("/api/v1/rules") as answer:
            assert (await answer.json())[0]["instances"][0]["state"] == "normal"
        async with client.get("/api/v1/cloud") as answer:
            assert (await answer.json())["confirmed"] == 12


async def test_the_newest_picture_is_sent_once_a_version(serve, album, room):
    album.newest["default/cam-1"] = (7, b"\xff\xd8jpeg")
    room.show(CameraView("default/cam-1", picture=7))
    async with serve() as (_, client):
        async with client.get("/api/v1/cameras") as answer:
            assert (await answer.json())[0]["picture"] == 7
        path = "/api/v1/cameras/default/cam-1/latest.jpg"
        async with client.get(path) as answer:
            assert (answer.status, answer.headers["ETag"], await answer.read()) == (200, '"7"', b"\xff\xd8jpeg")
        async with client.get(path, headers={"If-None-Match": '"7"'}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        async with client.get("/api/v1/cameras/default/other/latest.jpg") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(("asked", "version"), [("6", 6), ("", 0), ("-1", 0), ("\u0663", 0), ("9" * 40, 10**18 - 1)])
async def test_a_picture_of_a_version_can_be_asked_for(serve, album, asked, version):
    album.newest["default/cam-1"] = (7, b"\xff\xd8jpeg")
    async with serve() as (_, client):
        path = "/api/v1/cameras/default/cam-1/latest.jpg"
        async with client.get(path, params={"version": asked}) as answer:
            assert answer.status == 200
    assert album.asked == [version]


@pytest.mark.parametrize("key", ["../secret", "%2e%2e/secret", "a/../b", ".hidden", "a//b", "nobody.jpg"])
async def test_a_picture_key_that_is_none_finds_nothing(serve, album, key):
    album.kept |= {"../secret": b"x", "a/../b": b"x", ".hidden": b"x", "secret": b"x"}
    async with serve() as (_, client), client.get(f"/api/v1/pictures/{key}") as answer:
        assert answer.status == 404


async def test_a_kept_picture_is_found_by_its_key(serve, album):
    album.kept["2026/e-1.jpg"] = b"\xff\xd8"
    async with serve() as (_, client), client.get("/api/v1/pictures/2026/e-1.jpg") as answer:
        assert (answer.content_type, await answer.read()) == ("image/jpeg", b"\xff\xd8")


async def test_manifests_are_applied_listed_and_deleted(serve):
    text = "kind: Device\nmetadata: {name: pump-9}\n---\nkind: Device\nmetadata: {name: pump-8}\n"
    async with serve() as (_, client):
        async with client.post("/api/v1/manifests", data=text, headers={"Content-Type": "application/yaml"}) as answer:
            assert await answer.json() == {"applied": ["Device pump-9 created", "Device pump-8 created"]}
        async with client.delete("/api/v1/manifests/Device/pump-9") as answer:
            assert answer.status == 204
        async with client.get("/api/v1/manifests/Device") as answer:
            assert [one["metadata"]["name"] for one in await answer.json()] == ["pump-8"]
        async with client.delete("/api/v1/manifests/Device/pump-9") as answer:
            assert answer.status == 404


async def test_a_form_of_another_page_cannot_send_a_body(serve, room):
    async with serve() as (_, client):
        form = FormData({"value": "true"})
        async with client.put(POWER, data=form) as answer:
            assert answer.status == 415
        async with client.post("/api/v1/manifests", data="kind: x", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
    assert room.asked == []
    assert room.manifests == {}


async def test_what_is_away_is_503_and_says_when_to_come_again(serve, room, monkeypatch):
    async def away(*_: str) -> str:
        message = "the store is away"
        raise Unavailable(message)

    monkeypatch.setattr(room, "set_desired", away)
    async with serve() as (_, client), client.put(POWER, json=ON) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_a_defect_is_500_without_its_inside_and_is_logged(serve, room, monkeypatch, caplog):
    def broken(_: str) -> None:
        message = "inner secret"
        raise KeyError(message)

    monkeypatch.setattr(room, "device", broken)
    async with serve() as (_, client), client.get("/api/v1/devices/default/pump-1") as answer:
        assert answer.status == 500
        assert "secret" not in await answer.text()
    assert "/api/v1/devices/default/pump-1 failed" in caplog.text
    assert "inner secret" in caplog.text


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(serve):
    async with serve() as (_, client):
        async with client.get("/api/v2/devices") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with client.post("/api/v1/devices", json={}) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


async def test_head_is_answered_as_get_without_a_body(serve):
    async with serve() as (_, client), client.head("/livez") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_an_answer_that_does_not_come_in_time_is_504(serve, tables, monkeypatch):
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(tables, "sql", never)
    config = WebConfig(listen="127.0.0.1:0", deadline=0.05)
    path = "/api/v1/devices/default/thermo-1/history/temperature?source=store"
    async with serve(config) as (_, client), client.get(path) as answer:
        assert (answer.status, answer.content_type) == (504, "application/problem+json")


async def test_several_values_are_asked_together(serve, room):
    async with serve() as (_, client):
        path = "/api/v1/devices/default/pump-1/desired"
        async with client.put(path, json={"values": {"power": "true", "level": "7"}}) as answer:
            assert (answer.status, await answer.json()) == (200, {"cause": "web:1:2"})
        async with client.put(path, json={"values": {"power": "false", "lvl": "7"}}) as answer:
            assert answer.status == 404
    assert [asked[1:3] for asked in room.asked] == [("power", "true"), ("level", "7")]


async def test_the_past_of_all_properties_is_one_answer_and_a_source_is_memory_or_store(serve):
    async with serve() as (_, client):
        device = "/api/v1/devices/default/thermo-1/history"
        async with client.get(device, params={"count": "2"}) as answer:
            past = await answer.json()
        assert [len(points) for points in past.values()] == [2]
        async with client.get(f"{device}/temperature", params={"source": "cloud"}) as answer:
            assert (answer.status, (await answer.json())["detail"]) == (
                400, 'source = "cloud" is neither memory nor store',
            )  # fmt: skip
        async with client.get("/api/v1/devices/default/nobody/history") as answer:
            assert answer.status == 404


async def test_one_object_and_the_schema_of_its_kind_have_addresses(serve):
    manifest = b"kind: Device\nmetadata: {name: fan}\n"
    async with serve() as (_, client):
        headers = {"Content-Type": "application/yaml"}
        async with client.post("/api/v1/manifests", data=manifest, headers=headers) as answer:
            assert answer.status == 200
        async with client.get("/api/v1/manifests/Device/default/fan") as answer:
            assert (await answer.json())["metadata"] == {"name": "fan"}
        async with client.get("/api/v1/schemas/Device") as answer:
            assert (answer.status, (await answer.json())["title"]) == (200, "Device")
        for path in ("/api/v1/manifests/Device/default/none", "/api/v1/schemas/Devise"):
            async with client.get(path) as answer:
                assert answer.status == 404
