"""The mapper's calls of its manager, which is EdgeCore or the gateway: it registers, and reports until it is heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any, Protocol

import grpc
import grpc.aio

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.config import MapperConfig
from devices.mapper.pace import Pace
from devices.mapper.reports import Reading, Report, Reports, State
from devices.mapper.wire import status_of
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

SERVICE = "/v1beta1.DeviceManagerService/"
API_VERSION = "v1beta1"
DEADLINE = 10.0
"""Seconds that a call may take."""
FAREWELL = 2.0
"""Seconds to say at the end that the devices are no longer looked at."""
REASON = "gemelo-reason-bin"
"""Metadata of ReportDeviceStates: why the state is so, UTF-8. KubeEdge has no field for it, and EdgeCore ignores it."""
OPTIONS = (
    ("grpc.default_authority", "localhost"),  # a path as authority is refused by strict HTTP/2 servers
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),  # thousands of devices in one answer
)
AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
}


class Throttled(Unavailable):
    """The manager is there, and wants fewer calls."""


class Fleet(Protocol):
    """Who is told what the manager has."""

    @property
    def workers(self) -> Collection[str]: ...

    def ask(self) -> None: ...

    async def sync(self, models: Any, devices: Any) -> None: ...


class Uplink:
    """Registers with all data, and again when the connection was lost: calls of the manager may have been missed."""

    def __init__(self, config: MapperConfig, reports: Reports, fleet: Fleet, clock: Clock) -> None:
        self.registered = asyncio.Event()
        self._config = config
        self._reports = reports
        self._fleet = fleet
        self._clock = clock
        self._pace = Pace(config.rate, clock.monotonic())
        self._channel: Any = None

    async def run(self) -> None:
        """Until cancelled. A manager that is away, or refuses, is asked again."""
        async with grpc.aio.insecure_channel(f"unix:{self._config.manager}", options=OPTIONS) as self._channel:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._keep_registered(), name="mapper register")
                    group.create_task(self._tell(), name="mapper reports")
            finally:
                await self._farewell()

    async def _keep_registered(self) -> None:
        backoff, told = Backoff(limit=5.0), ""
        while True:
            try:
                await self._register()
            except (Unavailable, Rejected) as refused:
                there = self._config.manager.exists()
                reason = str(refused) if there else "there is no such socket: does the gateway run, with [dmi] on?"
                if reason != told:
                    logger.warning("not registered with %s: %s; asking again", self._config.manager, reason)
                told = reason
                await self._clock.sleep(backoff.next())
                continue
            backoff.reset()
            told = ""
            await self._lost()
            self.registered.clear()
            logger.warning("%s is gone; registering again", self._config.manager)

    async def _farewell(self) -> None:
        """Nobody looks at the devices from now on: say so, if the manager listens."""
        if not self.registered.is_set():
            return
        try:
            async with asyncio.timeout(FAREWELL):
                for device in self._fleet.workers:
                    await self._send(Report(device, {"": State("unknown", "the mapper stopped")}))
        except (Unavailable, Rejected, TimeoutError) as error:
            logger.info("not all devices were told to be unknown now: %s", error)

    async def _register(self) -> None:
        config = self._config
        info = pb.MapperInfo(
            name=config.name,
            version=config.version,
            api_version=API_VERSION,
            protocol=config.protocol,
            address=str(config.socket).encode(),
            state="ok",
        )
        self._fleet.ask()
        request = pb.MapperRegisterRequest(withData=True, mapper=info)
        answer = await self._call("MapperRegister", request, pb.MapperRegisterResponse)
        await self._fleet.sync(answer.modelList, answer.deviceList)
        self._pace.reset()
        self.registered.set()
        logger.info("registered with %s: %d devices", config.manager, len(answer.deviceList))

    async def _lost(self) -> None:
        """Return when the connection is no more."""
        while (state := self._channel.get_state()) is grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)

    async def _tell(self) -> None:
        backoff = Backoff(limit=5.0)
        while True:
            await self.registered.wait()
            report = await self._reports.next()
            while (delay := self._pace.delay(self._clock.monotonic())) > 0:
                await self._clock.sleep(delay)
            try:
                await self._report(report)
            except Throttled:
                self._pace.refused(self._clock.monotonic())
                self._reports.later(report)
            except Unavailable as away:
                logger.debug("%s not told: %s", report.device, away)
                self._reports.later(report)
                await self._clock.sleep(backoff.next())
            else:
                backoff.reset()

    async def _report(self, report: Report) -> None:
        """One call; when it is refused, each property alone, so that one bad value does not silence the rest."""
        try:
            await self._send(report)
        except Rejected as refused:
            if len(report.items) > 1:
                for name, item in report.items.items():
                    await self._report(Report(report.device, {name: item}))
                return
            logger.warning("%s %s: refused: %s", report.device, *report.items, refused)
            self._reports.done(report, "refused")
        else:
            self._reports.done(report)

    async def _send(self, report: Report) -> None:
        namespace, _, name = report.device.partition("/")
        readings = {key: item for key, item in report.items.items() if isinstance(item, Reading)}
        for item in report.items.values():
            if isinstance(item, State):
                states = pb.ReportDeviceStatesRequest(deviceName=name, deviceNamespace=namespace, state=item.name)
                metadata = ((REASON, item.reason.encode()),) if item.reason else ()
                await self._call("ReportDeviceStates", states, pb.ReportDeviceStatesResponse, metadata)
        if readings:
            status = status_of(readings)
            request = pb.ReportDeviceStatusRequest(deviceName=name, deviceNamespace=namespace, reportedDevice=status)
            await self._call("ReportDeviceStatus", request, pb.ReportDeviceStatusResponse)

    async def _call(self, method: str, request: Any, answer: Any, metadata: Any = ()) -> Any:
        call = self._channel.unary_unary(
            SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return await call(request, timeout=DEADLINE, metadata=metadata or None)
        except grpc.aio.AioRpcError as error:
            text = f"{error.code().name}: {error.details()}"
            if "too many request" in text or error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise Throttled(text) from error
            raise (Unavailable(text) if error.code() in AWAY else Rejected(text)) from error
