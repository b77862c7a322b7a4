"""The three methods of `v1beta1.DeviceManagerService`: mappers register, and report values and states."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio
import msgspec
from google.protobuf.message import DecodeError

from devices.dmi import reports
from devices.dmi.book import Book
from devices.dmi.config import PATH_BYTES, DmiConfig
from devices.dmi.convert import likeness
from devices.dmi.counts import DmiCounts
from devices.dmi.letters import Letters
from devices.dmi.limits import Limits
from devices.dmi.manifest import MapperSpec, manifest_of
from devices.dmi.route import Key, Route
from devices.dmi.wire import dmi_pb2 as pb
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Outcome
from twins.stimuli import Stimulus

logger = logging.getLogger(__name__)

SERVICE = "v1beta1.DeviceManagerService"
ANSWER_BYTES = 3_500_000
"""Bytes of an answer: a gRPC client takes 4 MiB, unless told otherwise. What has no room is told one by one."""
TOGETHER = 50
"""Devices that are written before others have their turn."""
Code = grpc.StatusCode
CODES = {404: Code.NOT_FOUND, 403: Code.FAILED_PRECONDITION, 409: Code.FAILED_PRECONDITION}


class Ask(Protocol):
    """Takes stimuli together; returns after their commit. Raises `TimeoutError`."""

    async def __call__(self, *stimuli: Stimulus) -> Outcome: ...


class Apply(Protocol):
    """Applies a manifest; returns after its commit. Raises `Rejected`, `TimeoutError`."""

    async def __call__(self, data: object, where: str) -> str: ...


class TooMany(Exception):
    """A mapper is over its rate."""


class Service:
    """Behind the door."""

    def __init__(
        self,
        config: DmiConfig,
        book: Book,
        letters: Letters,
        ask: Ask,
        apply: Apply,
        clock: Clock,
        next_cause: Callable[[], str],
        counts: DmiCounts,
    ) -> None:
        self._config = config
        self._book = book
        self._letters = letters
        self._ask = ask
        self._apply = apply
        self._clock = clock
        self._next_cause = next_cause
        self._counts = counts
        self._limits = Limits(config.rate, config.burst)

    def handlers(self) -> Any:
        """What gRPC calls."""
        methods: dict[str, tuple[Callable[[Any], Awaitable[Any]], Any]] = {
            "MapperRegister": (self._register, pb.MapperRegisterRequest),
            "ReportDeviceStatus": (self._report, pb.ReportDeviceStatusRequest),
            "ReportDeviceStates": (self._state, pb.ReportDeviceStatesRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE, {name: self._handler(call, request) for name, (call, request) in methods.items()}
        )

    def _handler(self, call: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        async def answer(body: bytes, context: Any) -> Any:
            self._counts.offered += 1
            try:
                return await call(_read(request, body))
            except TooMany as error:
                self._counts.limited += 1
                code, reason = Code.RESOURCE_EXHAUSTED, str(error)
            except Rejected as error:
                self._counts.refused += 1
                code, reason = CODES.get(error.code, Code.INVALID_ARGUMENT), error.reason
            except (Unavailable, TimeoutError) as error:
                self._counts.refused += 1
                code, reason = Code.UNAVAILABLE, str(error) or "the store is behind; send it again"
            except Exception:  # gRPC's boundary: one call breaks, the others go on
                self._counts.refused += 1
                logger.exception("a call of a mapper broke; please report this")
                code, reason = Code.INTERNAL, "the gateway failed on this call; its log says why"
            return await _abort(context, code, reason)

        return grpc.unary_unary_rpc_method_handler(answer, response_serializer=lambda each: each.SerializeToString())

    # --------------------------------------------------------------------------------------------------------- methods

    async def _register(self, request: pb.MapperRegisterRequest) -> pb.MapperRegisterResponse:
        spec = self._spec(request)
        self._spend(spec.protocol, f"fail to register mapper because of too many request: {spec.name}")
        manifest = manifest_of(spec)
        known = self._book.mappers
        if manifest.id not in known and len(known) >= self._config.max_mappers:
            raise Rejected(f"{len(known)} mappers are registered; delete one, or raise [dmi] max_mappers", 409)
        await self._apply(msgspec.to_builtins(manifest), f"mapper {spec.name}")
        self._counts.registrations += 1
        logger.info("mapper %s serves %s at %s", spec.name, spec.protocol, spec.address or "no address")
        answer = pb.MapperRegisterResponse()
        if spec.with_data:
            await self._gather(spec, answer)
        return answer

    async def _report(self, request: pb.ReportDeviceStatusRequest) -> pb.ReportDeviceStatusResponse:
        self._spend_for(request, "status")
        stimuli = reports.updates(request, self._next_cause(), self._clock.now(), strict=self._config.strict)
        await self._commit(stimuli)
        self._counts.reports += 1
        return pb.ReportDeviceStatusResponse()

    async def _state(self, request: pb.ReportDeviceStatesRequest) -> pb.ReportDeviceStatesResponse:
        self._spend_for(request, "states")
        await self._commit((reports.state(request, self._next_cause(), self._clock.now()),))
        self._counts.states += 1
        return pb.ReportDeviceStatesResponse()

    async def _commit(self, stimuli: Iterable[Stimulus]) -> None:
        """Raises `Rejected` for what the twins refuse; strict: nobody hears of that but MQTT, as with EdgeCore."""
        outcome = await self._ask(*stimuli)
        if outcome.refused is None or (self._config.strict and outcome.code != 500):
            return
        if outcome.code == 500:
            raise Unavailable(outcome.refused)
        raise Rejected(outcome.refused, outcome.code)

    # ------------------------------------------------------------------------------------------------------------ parts

    def _spec(self, request: pb.MapperRegisterRequest) -> MapperSpec:
        info = request.mapper
        if not info.protocol:
            raise Rejected(f"fail to register mapper {info.name} because the protocol is nil")
        if not info.name:
            raise Rejected(f"a mapper of {info.protocol} needs a name")
        return MapperSpec(
            name=info.name,
            protocol=info.protocol,
            address=_address(info.address),
            version=info.version,
            api_version=info.api_version,
            with_data=request.withData,
            registered=self._clock.now(),
        )

    async def _gather(self, spec: MapperSpec, answer: pb.MapperRegisterResponse) -> None:
        """Put all that it serves into the answer; its courier waits until that is done."""
        route = self._book.routes.get(spec.protocol)
        told = route if route is not None and route.spec == spec else None
        if told is not None:
            told.hold()
        try:
            size = 0
            for number, key in enumerate(self._book.served(spec.protocol)):
                size += self._put(answer, spec.protocol, key, told) if size < ANSWER_BYTES else 0
                if number % TOGETHER == TOGETHER - 1:
                    await asyncio.sleep(0)
        finally:
            if told is not None:
                told.release()

    def _put(self, answer: pb.MapperRegisterResponse, protocol: str, key: Key, route: Route | None) -> int:
        """Add one device or model; the bytes that it takes."""
        try:
            message = self._letters.write(protocol, key)
        except Rejected:
            return 0
        if message is None or (isinstance(message, pb.Device) and not message.spec.deviceModelReference):
            return 0  # the mapper-framework dies of a device without a model here, and only refuses its RegisterDevice
        if route is not None:
            route.know(key, likeness(message))
        if isinstance(message, pb.Device):
            answer.deviceList.append(message)
        else:
            answer.modelList.append(message)
        return int(message.ByteSize())

    def _spend_for(self, request: Any, what: str) -> None:
        """A report counts for the mapper of the device's protocol; one without a mapper for the device alone."""
        device = f"{request.deviceNamespace or 'default'}/{request.deviceName}"
        key = self._book.protocol(device) or (device if self._book.twin(device) is not None else "")
        self._spend(key, f"fail to report device {what} because of too many request: {request.deviceName}")

    def _spend(self, key: str, refusal: str) -> None:
        if not self._limits.take(key, self._clock.monotonic()):
            raise TooMany(refusal)


def _read(kind: Any, body: bytes) -> Any:
    """Read here, not by gRPC, which would log each bad one at length and say that it does not know what was wrong."""
    try:
        return kind.FromString(body)
    except DecodeError:
        raise Rejected(f"{len(body)} bytes that are no {kind.DESCRIPTOR.name}") from None


def _address(address: bytes) -> str:
    """The path of a mapper's socket. Raises `Rejected` for what can't be one."""
    try:
        path = address.decode().removeprefix("unix://").removeprefix("unix:")
    except UnicodeDecodeError:
        raise Rejected("the address of the mapper is not UTF-8: give the path of its socket") from None
    if path and (not path.startswith("/") or "\0" in path or len(address) > PATH_BYTES):
        raise Rejected(f"{path[:80]!r} is no address of a mapper: the whole path of its socket, {PATH_BYTES} bytes")
    return path


async def _abort(context: Any, code: grpc.StatusCode, reason: str) -> NoReturn:
    await context.abort(code, reason)
    raise AssertionError(reason)  # abort always raises
