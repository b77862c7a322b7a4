"""The two methods of `gemelo.offload.v1.Offload`: who may come in, and which session is a device's one."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio

from devices.offload import messages
from devices.offload.access import Access, device_name
from devices.offload.config import OffloadConfig
from devices.offload.ports import Detector, Intake, Models
from devices.offload.resume import Lineage, Lineages
from devices.offload.roster import Roster
from devices.offload.session import Ending, Session
from devices.offload.wire import offload_pb2 as pb
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.values import device_id

logger = logging.getLogger(__name__)

SERVICE = "gemelo.offload.v1.Offload"
PROTOCOL = 1

DENIALS = {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED}
ENDINGS = {
    "replaced": (grpc.StatusCode.ABORTED, "the same device opened a newer session"),
    "stopping": (grpc.StatusCode.UNAVAILABLE, "the gateway stops"),
    "slow": (grpc.StatusCode.RESOURCE_EXHAUSTED, "results were not read in time"),
}


class GrpcStream:
    """A session's view of gRPC's context."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def read(self) -> pb.ClientMessage | None:
        try:
            message = await self._context.read()
        except Exception as gone:  # gRPC's error for a call that is over has no public name
            raise ConnectionResetError from gone
        return message if isinstance(message, pb.ClientMessage) else None

    async def write(self, message: pb.ServerMessage) -> None:
        try:
            await self._context.write(message)
        except Exception as gone:  # as above
            raise ConnectionResetError from gone


class Service:
    """Behind the door. `asked` are the desired values of each device, owned by the door."""

    def __init__(
        self,
        config: OffloadConfig,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        models: Models,
        roster: Roster,
        answered: Counter[str],
        asked: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self._config = config
        self._intake = intake
        self._detector = detector
        self._clock = clock
        self._next_cause = next_cause
        self._models = models
        self._roster = roster
        self._answered = answered
        self._asked = asked
        self._access = Access(config.tokens)
        self._lineages = Lineages(config.resume_for)

    def handlers(self) -> Any:
        """What gRPC calls."""
        register = grpc.unary_unary_rpc_method_handler(
            self._register,
            request_deserializer=pb.RegisterRequest.FromString,
            response_serializer=pb.RegisterReply.SerializeToString,
        )
        session = grpc.stream_stream_rpc_method_handler(
            self._session,
            request_deserializer=pb.ClientMessage.FromString,
            response_serializer=pb.ServerMessage.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Register": register, "Session": session})

    def ask(self, device: str, values: Mapping[str, str]) -> None:
        """Pass desired values on to the device's session, if there is one. The model is ours to change."""
        session = self.sessions.get(device)
        if session is None:
            return
        if "model" in values and (model := self._model(values["model"])) is not None:
            session.switch(model)
        if others := {name: value for name, value in values.items() if name != "model"}:
            session.ask(others)

    def stop(self) -> None:
        """End all sessions; the phones are told when to come back."""
        for session in self.sessions.values():
            session.end("stopping", "the gateway stops")

    # --------------------------------------------------------------------------------------------------------- methods

    async def _register(self, request: pb.RegisterRequest, context: Any) -> pb.RegisterReply:
        device = await self._admit(request.device_id, context)
        await self._enrol(device, f"{request.phone_model} {request.app_version}", context)
        return pb.RegisterReply(
            twin=device,
            models=[messages.model_of(info) for info in self._models()],
            limits=pb.Limits(max_in_flight=self._config.credit_limit, max_bytes=self._config.max_bytes),
            heartbeat_ms=int(self._config.keepalive * 1000),
        )

    async def _session(self, _: object, context: Any) -> None:
        hello = await self._hello(context)
        device = await self._admit(hello.device_id, context)
        if hello.protocol != PROTOCOL:
            reason = f"protocol {hello.protocol} is not spoken here; this gateway speaks {PROTOCOL}"
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, reason)
        if device not in self.sessions and len(self.sessions) >= self._config.max_sessions:
            reason = f"{len(self.sessions)} phones have a session; raise [offload] max_sessions"
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
        names = (hello.model or self._config.model, *hello.fallbacks)
        model = next((model for name in names if (model := self._model(name)) is not None), None)
        if model is None:
            offered = ", ".join(info.name for info in self._models())
            await _abort(context, grpc.StatusCode.NOT_FOUND, f"no model {names[0]!r} here; on offer: {offered}")
        await self._enrol(device, "", context)
        try:
            ending = await self._serve(device, hello, model, context)
        except Exception:  # gRPC's boundary: one session breaks, the others go on
            logger.exception("%s: the session broke", device)
            await _abort(context, grpc.StatusCode.INTERNAL, "the session broke; the gateway's log says why")
        if ending in ENDINGS:
            await _abort(context, *ENDINGS[ending])

    async def _serve(self, device: str, hello: pb.Hello, model: pb.Model, context: Any) -> Ending:
        if (older := self.sessions.pop(device, None)) is not None:
            older.end("replaced", "the same device opened a newer session")
            self._lineages.end(device, older.lineage, self._clock.monotonic())
        lineage, resumed = self._lineages.open(device, hello.resume_token, self._clock.monotonic())
        session = self._open(device, hello, model, lineage, context)
        self.sessions[device] = session
        try:
            await self._roster.arrive(device)
            session.welcome(self._lineages.token(device, lineage), resumed)
            self.ask(device, self._asked.get(device, {}))
            return await session.run()
        finally:
            if self.sessions.get(device) is session:
                del self.sessions[device]
                self._lineages.end(device, lineage, self._clock.monotonic())
                self._roster.depart(device)

    def _open(self, device: str, hello: pb.Hello, model: pb.Model, lineage: Lineage, context: Any) -> Session:
        return Session(
            device=device,
            hello=hello,
            model=model,
            stream=GrpcStream(context),
            lineage=lineage,
            config=self._config,
            intake=self._intake,
            detector=self._detector,
            clock=self._clock,
            next_cause=self._next_cause,
            answered=self._answered,
        )

    # ----------------------------------------------------------------------------------------------------------- checks

    async def _hello(self, context: Any) -> pb.Hello:
        try:
            async with asyncio.timeout(self._config.hello_timeout):
                first = await context.read()
        except TimeoutError:
            first = None
        if not isinstance(first, pb.ClientMessage) or not first.HasField("hello"):
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "a session begins with Hello")
        return first.hello

    async def _admit(self, given: str, context: Any) -> str:
        """The id of the device that calls, once its name and token are found good."""
        metadata = context.invocation_metadata() or ()
        try:
            name = device_name(given, metadata)
            self._access.check(metadata, name)
        except Rejected as bad:
            await _abort(context, DENIALS.get(bad.code, grpc.StatusCode.INVALID_ARGUMENT), bad.reason)
        return device_id(self._config.namespace, name)

    async def _enrol(self, device: str, description: str, context: Any) -> None:
        try:
            await self._roster.enrol(device, description)
        except Unavailable as full:
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(full))

    def _model(self, name: str) -> pb.Model | None:
        """A model on offer; while nothing is known of what is on offer, any name will do."""
        offered = self._models()
        if not offered:
            return pb.Model(name=name)
        return next((messages.model_of(info) for info in offered if info.name == name), None)


async def _abort(context: Any, code: grpc.StatusCode, reason: str) -> NoReturn:
    await context.abort(code, reason)
    raise AssertionError(reason)  # abort always raises
