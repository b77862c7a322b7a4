"""The mapper's REST API, by the cases of KubeEdge's framework: asked over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from devices.mapper import Mapper
from tests.devices.mapper.bench import Bench, document
from tests.devices.mapper.conftest import Runs
from tests.devices.mapper.manager import Manager
from twins.errors import Unavailable


class Api:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, Any, Any]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, path, headers=names) as answer:
            body = await (answer.json() if answer.content_type == "application/json" else answer.text())
            return answer.status, body, answer.headers

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return (await self.ask("GET", path, **headers))[:2]

    async def post(self, path: str, **headers: str) -> tuple[int, Any]:
        return (await self.ask("POST", path, **headers))[:2]


@pytest.fixture
def asked(bench: Bench, manager: Manager, runs: Runs) -> Any:
    """`async with asked(strict=True) as api`: a mapper with device default/d1, which is online."""
    bench.values = {"temp": 21, "level": 5}
    manager.devices["d1"] = document(temp={"collectCycle": 3_600_000}, level={"collectCycle": 3_600_000})

    @asynccontextmanager
    async def open_api(**given: Any) -> AsyncIterator[Api]:
        async with runs(bench.driver, listen="127.0.0.1:0", **given) as mapper:
            await manager.until(lambda: manager.states)
            async with aiohttp.ClientSession(f"http://{mapper.address}") as session:
                yield Api(session)

    return open_api


async def test_map_01_ping(asked: Any) -> None:
    async with asked() as api:
        status, body = await api.get("/api/v1/ping")
    assert status == 200
    assert body.pop("timeStamp").endswith("Z")
    message = "This is v1 API, the server is running normally."
    assert body == {"apiVersion": "v1", "statusCode": 200, "Message": message}


async def test_map_02_a_property_is_read_now(asked: Any, bench: Bench) -> None:
    async with asked() as api:
        bench.values["temp"] = 22
        status, body = await api.get("/api/v1/device/default/d1/temp")
    data = body["Data"]
    assert status == 200
    assert data.pop("TimeStamp") > 1_700_000_000_000
    assert data == {"DeviceName": "d1", "PropertyName": "temp", "Namespace": "default", "Value": "22", "Type": "int"}


async def test_map_03_an_unknown_device(asked: Any) -> None:
    async with asked() as api:
        found = await api.get("/api/v1/device/default/nope/temp")
    assert found == (500, "Get device data error: not found device default/nope")


async def test_map_04_an_unknown_property_is_not_found(asked: Any) -> None:
    async with asked() as api:
        found = await api.get("/api/v1/device/default/d1/nope")
    assert found == (404, "Get device data error: default/d1 has no property nope")


async def test_map_04_strict_an_unknown_property_is_empty(asked: Any) -> None:
    async with asked(strict=True) as api:
        status, body = await api.get("/api/v1/device/default/d1/nope")
    assert (status, body["Data"]["Value"]) == (200, "")


async def test_map_05_a_method_is_called_with_post_and_get_writes_nothing(asked: Any, bench: Bench) -> None:
    path = "/api/v1/devicemethod/default/d1/setLevel/level/7"
    async with asked() as api:
        assert (await api.get(path))[0] == 405
        assert bench.written == []
        status, body = await api.post(path)
    assert (status, body["Message"]) == (200, "Write data 7 to device default/d1 successfully.")
    assert bench.written == [("level", 7)]


async def test_map_05_strict_get_writes(asked: Any, bench: Bench) -> None:
    async with asked(strict=True) as api:
        status, body = await api.get("/api/v1/devicemethod/default/d1/setLevel/level/7")
    assert (status, body["Message"]) == (200, "Write data 7 to device default/d1 successfully.")
    assert bench.written == [("level", 7)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("x/level/7", "deviceMethod name x does not exist in device instance"),
        ("setLevel/temp/7", "deviceProperty temp to be written is not in the list defined by devicemethod"),
        ("setLevel/level/700", "the value of level is above the maximum 100 of its model"),
        ("setLevel/level/a%2Fb", "the value is not int or integer"),
    ],
)
async def test_map_06_what_cannot_be_written(path: str, reason: str, asked: Any, bench: Bench) -> None:
    async with asked() as api:
        found = await api.post(f"/api/v1/devicemethod/default/d1/{path}")
    assert found == (500, f"Write device data error: {reason}")
    assert bench.written == []


async def test_map_07_the_correlation_id_is_echoed(asked: Any) -> None:
    async with asked() as api:
        for path in ("/api/v1/ping", "/api/v1/device/default/nope/temp", "/nowhere"):
            _, _, headers = await api.ask("GET", path, X_Correlation_ID="abc-1")
            assert headers["X-Correlation-ID"] == "abc-1"
        _, _, headers = await api.ask("GET", "/api/v1/ping")
    assert "X-Correlation-ID" not in headers


async def test_the_methods_of_a_device_are_listed(asked: Any) -> None:
    async with asked() as api:
        _, body = await api.get("/api/v1/devicemethod/default/d1")
    assert body["Data"] == {
        "Methods": [
            {
                "Name": "setLevel",
                "Path": "/api/v1/devicemethod/default/d1/setLevel/{propertyName}/{data}",
                "Parameters": [{"PropertyName": "level", "ValueType": "int"}],
            }
        ]
    }


async def test_the_model_of_a_device_is_shown(asked: Any) -> None:
    async with asked() as api:
        _, body = await api.get("/api/v1/meta/model/default/d1")
        assert (body["name"], [p["name"] for p in body["properties"]]) == ("bench", ["temp", "level"])
        assert (await api.get("/api/v1/meta/model/default/nope"))[0] == 500


async def test_there_is_no_database(asked: Any) -> None:
    async with asked() as api:
        assert (await api.get("/api/v1/database/default/d1"))[0] == 503


async def test_a_device_that_fails_is_told(asked: Any, bench: Bench) -> None:
    async with asked() as api:
        bench.values["temp"] = OSError("unplugged")
        assert await api.get("/api/v1/device/default/d1/temp") == (500, "Get device data error: unplugged")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.example:7777"}],
    ids=str,
)
async def test_pages_of_other_sites_are_kept_out(headers: dict[str, str], asked: Any, bench: Bench) -> None:
    async with asked() as api:
        status, _ = await api.post("/api/v1/devicemethod/default/d1/setLevel/level/7", **headers)
    assert status == 403
    assert bench.written == []


async def test_without_an_address_nothing_is_served(bench: Bench, manager: Manager, runs: Runs) -> None:
    async with runs(bench.driver) as mapper:
        assert mapper.address == ""


async def test_an_address_that_is_taken_is_told(bench: Bench, manager: Manager, runs: Runs, sockets: Any) -> None:
    async with runs(bench.driver, listen="127.0.0.1:0") as first:
        config = first.config
        second = Mapper(bench.driver, type(config)(manager=config.manager, name="other", listen=first.address))
        with pytest.raises(ExceptionGroup) as taken:
            async with asyncio.timeout(10):
                await second.run()
    assert taken.group_contains(Unavailable, match="choose another address")
