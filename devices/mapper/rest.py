"""The REST API of KubeEdge's mapper-framework, on loopback: read a property, call a method, see the model.

Unlike the framework's, an unknown property is 404, a method is called with POST, and reading never writes; with
`strict` all is as there. Errors are text, as there. Browsers are kept out: a page of another site could write else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.config import MapperConfig, address
from devices.mapper.device import Device
from devices.mapper.reports import Reading
from devices.mapper.roster import Roster
from devices.mapper.worker import Worker
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.values import device_id

VERSION = "v1"
CORRELATION = "X-Correlation-ID"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """Serves while `run()` runs."""

    def __init__(self, roster: Roster, clock: Clock, config: MapperConfig) -> None:
        self.ready = asyncio.Event()
        self.address = ""
        self._roster = roster
        self._clock = clock
        self._strict = config.strict
        self._host, self._port = address(config.listen)

    async def run(self) -> None:
        """Serve until cancelled. Raises `Unavailable` when the address is taken."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            self.address = "{}:{}".format(*runner.addresses[0][:2])
            self.ready.set()
            await asyncio.Event().wait()
        except OSError as taken:
            reason = f"cannot listen on {self._host}:{self._port}: {taken}; choose another address for the REST API"
            raise Unavailable(reason) from taken
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[_framed], client_max_size=65_536)
        app.router.add_get("/api/v1/ping", self._ping)
        app.router.add_get("/api/v1/device/{namespace}/{name}/{property}", self._read)
        app.router.add_get("/api/v1/devicemethod/{namespace}/{name}", self._methods)
        write = "/api/v1/devicemethod/{namespace}/{name}/{method}/{property}/{data:.+}"
        app.router.add_post(write, self._write)
        if self._strict:
            app.router.add_get(write, self._write)
        app.router.add_get("/api/v1/meta/model/{namespace}/{name}", self._model)
        app.router.add_get("/api/v1/database/{namespace}/{name}", _no_database)
        return app

    async def _ping(self, request: web.Request) -> web.Response:
        return self._answer(Message="This is v1 API, the server is running normally.")

    async def _read(self, request: web.Request) -> web.Response:
        failed = "Get device data error: "
        worker = self._worker(request, failed)
        name = request.match_info["property"]
        try:
            reading = await worker.read(name)
        except Rejected as bad:
            if bad.code != 404:
                raise _error(failed + bad.reason) from None
            if not self._strict:
                raise _error(failed + bad.reason, 404) from None
            reading = Reading("", self._clock.now(), "", "")
        except Unavailable as away:
            raise _error(failed + str(away)) from None
        data = {
            "DeviceName": worker.device.name,
            "PropertyName": name,
            "Namespace": worker.device.namespace,
            "Value": reading.text,
            "Type": reading.kind,
            "TimeStamp": reading.at // 1000,
        }
        return self._answer(Data=data)

    async def _methods(self, request: web.Request) -> web.Response:
        device = self._worker(request, "Get device method error: ").device
        base = f"/api/v1/devicemethod/{device.id}"
        methods = [
            {
                "Name": method.name,
                "Path": f"{base}/{method.name}/{{propertyName}}/{{data}}",
                "Parameters": [
                    {"PropertyName": name, "ValueType": device.properties[name].declared.kind}
                    for name in method.properties
                    if name in device.properties
                ],
            }
            for method in device.methods
        ]
        return self._answer(Data={"Methods": methods})

    async def _write(self, request: web.Request) -> web.Response:
        failed = "Write device data error: "
        worker = self._worker(request, failed)
        found = request.match_info
        try:
            _check_method(worker.device, found["method"], found["property"])
            await worker.write(found["property"], found["data"])
        except (Rejected, Unavailable) as error:
            raise _error(failed + str(error)) from None
        return self._answer(Message=f"Write data {found['data']} to device {worker.device.id} successfully.")

    async def _model(self, request: web.Request) -> web.Response:
        found = request.match_info
        name = device_id(found["namespace"], found["name"])
        worker = self._roster.workers.get(name)
        model = self._roster.model(device_id(found["namespace"], worker.device.model)) if worker is not None else None
        if model is None:
            reason = f"Get device model error: not found device {name}"
            raise _error(reason)
        return self._answer(**_described(model))

    def _worker(self, request: web.Request, failed: str) -> Worker:
        name = device_id(request.match_info["namespace"], request.match_info["name"])
        worker = self._roster.workers.get(name)
        if worker is None:
            raise _error(f"{failed}not found device {name}")
        return worker

    def _answer(self, **fields: Any) -> web.Response:
        now = datetime.fromtimestamp(self._clock.now() / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {"apiVersion": VERSION, "statusCode": 200, "timeStamp": now} | fields
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")


@web.middleware
async def _framed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Echo the correlation id; refuse what browsers send for other sites, and names that only DNS rebinding makes."""
    host = request.host.rpartition(":")[0] if ":" in request.host.rpartition("]")[2] else request.host
    try:
        if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
            raise _error("this API is not for browsers", 403)
        try:
            address(f"{host}:0")
        except Rejected:
            raise _error(f"call it by its loopback address, not as {host}", 403) from None
        answer = await handler(request)
    except web.HTTPException as error:
        answer = error
    if (correlation := request.headers.get(CORRELATION)) is not None:
        answer.headers[CORRELATION] = correlation
    if isinstance(answer, web.HTTPException):
        raise answer
    return answer


async def _no_database(request: web.Request) -> web.Response:
    raise _error("The database is not available: this mapper keeps none", 503)


def _check_method(device: Device, method: str, name: str) -> None:
    """Raise `Rejected` in the framework's words when the device has no such method, or the method no such property."""
    found = next((each for each in device.methods if each.name == method), None)
    if found is None:
        reason = f"deviceMethod name {method} does not exist in device instance"
        raise Rejected(reason)
    if name not in found.properties:
        reason = f"deviceProperty {name} to be written is not in the list defined by devicemethod"
        raise Rejected(reason)


def _described(model: pb.DeviceModel) -> dict[str, Any]:
    """A model in the framework's keys."""
    namespace = model.namespace or "default"
    properties = [
        {
            "name": each.name,
            "dataType": each.type.lower(),
            "description": each.description,
            "accessMode": each.accessMode,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "unit": each.unit,
        }
        for each in model.spec.properties
    ]
    return {
        "id": device_id(namespace, model.name),
        "name": model.name,
        "namespace": namespace,
        "properties": properties,
    }


def _error(text: str, status: int = 500) -> web.HTTPException:
    kinds = {403: web.HTTPForbidden, 404: web.HTTPNotFound, 503: web.HTTPServiceUnavailable}
    return kinds.get(status, web.HTTPInternalServerError)(text=text)
