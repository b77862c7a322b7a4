"""HTTP polling against a real aiohttp server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from devices.mapper.drivers.http import Http, Settings, Visitor
from tests.devices.mapper import manager as double
from tests.devices.mapper.conftest import Runs
from tests.devices.mapper.manager import Manager
from twins.errors import Rejected, Unavailable


class Station:
    """A weather station with an HTTP interface."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[web.Request] = []
        self.written: list[tuple[str, str, str]] = []
        self._runner: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/plain", self._plain)
        app.router.add_get("/api/code/{code}", self._code)
        app.router.add_get("/api/slow", self._slow)
        app.router.add_get("/api/large", self._large)
        app.router.add_route("*", "/api/set", self._set)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.json_response({"sensors": [{"t": 21.5, "on": True, "name": "roof", "none": None}], "n": 3})

    async def _plain(self, request: web.Request) -> web.Response:
        return web.Response(text=" 48.5\n")

    async def _code(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["code"]))

    async def _slow(self, request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def _large(self, request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2_000_000)

    async def _set(self, request: web.Request) -> web.Response:
        self.written.append((request.method, request.content_type, await request.text()))
        return web.Response()


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    running = Station()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def http(station: Station) -> AsyncIterator[Http]:
    driver = Http(Settings(station.url, timeout=0.5, token="secret"))
    await driver.connect()
    yield driver
    await driver.close()


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (Visitor("status", json="sensors[0].t"), 21.5),
        (Visitor("status?unit=C", json="sensors[0].on"), True),
        (Visitor("/api/status", json="n"), 3),
        (Visitor("status", json="sensors[0].name"), "roof"),
        (Visitor("plain"), "48.5"),
    ],
    ids=lambda each: each.json if isinstance(each, Visitor) else str(each),
)
async def test_a_value_is_a_place_in_json_or_the_whole_body(asked: Visitor, value: object, http: Http) -> None:
    assert await http.read(asked) == value


async def test_the_token_is_sent(http: Http, station: Station) -> None:
    await http.read(Visitor("status", json="n"))
    assert station.asked[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Visitor("status", json="sensors[1].t"), "the answer has no"),
        (Visitor("status", json="sensors.t"), "the answer has no t"),
        (Visitor("status", json="sensors"), "an object or a list is no value"),
        (Visitor("status", json="sensors[0].none"), "null is no value"),
        (Visitor("plain", json="x"), "the answer has no x"),
        (Visitor("code/404"), "404 Not Found"),
        (Visitor("code/401"), "401"),
        (Visitor("code/500"), "500"),
        (Visitor("large"), "more than 1048576 bytes"),
        (Visitor("file:///etc/passwd"), "only http"),
    ],
    ids=lambda each: f"{each.path} {each.json}" if isinstance(each, Visitor) else "",
)
async def test_an_answer_without_the_value_is_the_propertys_failure(asked: Visitor, reason: str, http: Http) -> None:
    with pytest.raises(Rejected, match=reason):
        await http.read(asked)


@pytest.mark.parametrize(("path", "reason"), [("code/503", "503"), ("slow", "no answer within 0.5 s")])
async def test_a_device_that_does_not_answer_is_away(path: str, reason: str, http: Http) -> None:
    with pytest.raises(Unavailable, match=reason):
        await http.read(Visitor(path))


async def test_a_device_that_is_not_there_is_away(http: Http, station: Station) -> None:
    await station.stop()
    with pytest.raises(Unavailable):
        await http.read(Visitor("plain"))


@pytest.mark.parametrize(
    ("asked", "value", "sent"),
    [
        (Visitor("set"), 7, ("PUT", "application/octet-stream", "7")),
        (Visitor("set"), True, ("PUT", "application/octet-stream", "true")),
        (Visitor("set"), "on", ("PUT", "application/octet-stream", "on")),
        (Visitor("status", write="set", method="POST", key="level"), 7, ("POST", "application/json", '{"level": 7}')),
        (Visitor("set", method="PATCH", key="on"), False, ("PATCH", "application/json", '{"on": false}')),
    ],
    ids=str,
)
async def test_a_value_is_written_as_it_is_or_under_a_key(
    asked: Visitor, value: Any, sent: tuple[str, str, str], http: Http, station: Station
) -> None:
    await http.write(asked, value)
    assert station.written == [sent]


def test_an_address_that_is_no_url_is_refused() -> None:
    for url in ("ftp://x", "localhost", "http:///x"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": url}, Settings)


async def test_a_station_is_polled_into_the_twin_and_written(station: Station, manager: Manager, runs: Runs) -> None:
    visitors = {
        "t": {"path": "status", "json": "sensors[0].t"},
        "level": {"path": "plain", "write": "set", "key": "level"},
    }
    properties = [
        {"name": name, "reportToCloud": True, "visitors": {"configData": own}, "collectCycle": 50}
        for name, own in visitors.items()
    ]
    properties[1]["desired"] = {"value": "48.5"}
    manager.models["station"] = double.model(
        {
            "metadata": {"name": "station"},
            "spec": {"properties": [{"name": "t", "type": "DOUBLE"}, {"name": "level", "type": "FLOAT"}]},
        }
    )
    manager.devices["s1"] = double.device(
        {
            "metadata": {"name": "s1"},
            "spec": {
                "deviceModelRef": {"name": "station"},
                "protocol": {"protocolName": "http", "configData": {"url": station.url}},
                "properties": properties,
            },
        }
    )
    async with runs(Http):
        await manager.until(lambda: "21.5" in manager.values("t") and "48.5" in manager.values("level"))
        assert station.written == [("PUT", "application/json", '{"level": 48.5}')]
        await station.stop()
        await manager.until(lambda: manager.states[-1][1] == "offline")
        await station.start()
        await manager.until(lambda: manager.states[-1][1] == "online")
