"""The far side of the door: a mapper's own gRPC server that notes what it is told, and its calls to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from devices.dmi.wire import dmi_pb2 as pb

METHODS = (
    "RegisterDevice",
    "RemoveDevice",
    "UpdateDevice",
    "CreateDeviceModel",
    "RemoveDeviceModel",
    "UpdateDeviceModel",
)
DEADLINE = 10.0
Call = tuple[str, Any]


class Mapper:
    """Answers every call at once, unless `refuses` has a status for its method or `hangs` names it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.calls: list[Call] = []
        self.refuses: dict[str, tuple[grpc.StatusCode, str]] = {}
        self.hangs: set[str] = set()
        self._news = asyncio.Condition()
        self._server: Any = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        handlers = {name: self._handler(name) for name in METHODS}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("v1beta1.DeviceMapperService", handlers),)
        )
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)
        self.socket.unlink(missing_ok=True)

    async def hears(self, method: str, fits: Callable[[Any], bool] = lambda request: True) -> Any:
        """The first call of that name that fits, of those there were and those to come."""
        found: list[Any] = []

        def is_there() -> bool:
            found[:] = [request for name, request in self.calls if name == method and fits(request)]
            return bool(found)

        async with asyncio.timeout(DEADLINE), self._news:
            await self._news.wait_for(is_there)
        return found[0]

    def heard(self, device: str) -> list[str]:
        """Names of the calls about a device, in their order."""
        return [name for name, request in self.calls if _about(request) == device]

    def _handler(self, name: str) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            async with self._news:
                self.calls.append((name, request))
                self._news.notify_all()
            if name in self.hangs:
                await asyncio.Event().wait()
            if name in self.refuses:
                await context.abort(*self.refuses[name])
            return getattr(pb, f"{name}Response")()

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=getattr(pb, f"{name}Request").FromString,
            response_serializer=lambda each: each.SerializeToString(),
        )


class Manager:
    """What a mapper calls at the gateway."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    async def call(self, method: str, request: Any) -> Any:
        """Its answer. Raises `grpc.aio.AioRpcError`."""
        call = self.channel.unary_unary(
            f"/v1beta1.DeviceManagerService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        return await call(request, timeout=DEADLINE)

    async def register(self, name: str, protocol: str, socket: Path | str = "", *, data: bool = True) -> Any:
        info = pb.MapperInfo(
            name=name, version="v1.0", api_version="v1.0.0", protocol=protocol, address=str(socket).encode(), state="ok"
        )
        return await self.call("MapperRegister", pb.MapperRegisterRequest(withData=data, mapper=info))

    async def report(self, name: str, *twins: pb.Twin) -> Any:
        request = pb.ReportDeviceStatusRequest(
            deviceName=name, deviceNamespace="default", reportedDevice=pb.DeviceStatus(twins=twins)
        )
        return await self.call("ReportDeviceStatus", request)

    async def state(self, name: str, state: str) -> Any:
        request = pb.ReportDeviceStatesRequest(deviceName=name, deviceNamespace="default", state=state)
        return await self.call("ReportDeviceStates", request)


@asynccontextmanager
async def manager(socket: Path) -> AsyncIterator[Manager]:
    """A connection to the gateway's door."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        async with asyncio.timeout(DEADLINE):
            await channel.channel_ready()
        yield Manager(channel)


@asynccontextmanager
async def mapper(socket: Path) -> AsyncIterator[Mapper]:
    served = Mapper(socket)
    await served.start()
    try:
        yield served
    finally:
        await served.stop()


def twin(name: str, value: str, observed: str = "", **metadata: str) -> pb.Twin:
    """A twin with both sides, as KubeEdge's own framework sends it."""
    return pb.Twin(
        propertyName=name,
        observedDesired=pb.TwinProperty(value=observed),
        reported=pb.TwinProperty(value=value, metadata=metadata),
    )


def _about(request: Any) -> str:
    if isinstance(request, pb.RegisterDeviceRequest | pb.UpdateDeviceRequest):
        return str(request.device.name)
    return str(getattr(request, "deviceName", ""))
