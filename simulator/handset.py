"""A phone's behaviour: one newest picture, credit, results, and a stream that is opened again when it breaks.

It speaks the published protocol (`proto/gemelo/offload/v1/offload.proto`) and shares no code with the gateway.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from simulator.faces import Faces
from simulator.wire import offload_pb2 as pb

SESSION = "/gemelo.offload.v1.Offload/Session"
PROTOCOL = 1
WELCOME_WITHIN = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
FATAL = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "ABORTED"}
)
"""Ends that coming back would not mend."""
LIMITS = {"fps_cap": (0.01, 60.0), "jpeg_quality": (1, 100), "deadline_ms": (0, 600_000)}
"""Settings that can be asked of the phone, besides `enabled`."""
CHANNEL = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class PhoneOptions:
    """What a phone is and does. `duration` and `grace` are seconds; `duration` None is for ever."""

    address: str
    pictures: tuple[str, ...]
    device: str = "phone-1"
    fps: float = 10.0
    duration: float | None = None
    grace: float = 5.0
    record: Path | None = None
    token: str = ""
    authority: Path | None = None
    model: str = ""
    deadline_ms: int = 0
    side: int = 224
    quality: int = 80
    seed: int | None = None


@dataclass
class PhoneReport:
    """What a phone did: captured = sent + skipped; sent = answered + lost. Latencies are microseconds."""

    captured: int = 0
    skipped: int = 0
    sent: int = 0
    lost: int = 0
    connects: int = 0
    resumed: int = 0
    bytes: int = 0
    refused: str = ""
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    rtt_us: deque[int] = field(default_factory=lambda: deque(maxlen=10_000))
    network_us: deque[int] = field(default_factory=lambda: deque(maxlen=10_000))

    @property
    def answered(self) -> int:
        return self.statuses.total()


class Handset:
    """One phone from its first connection to its report; single-use. Raises `ValueError` for unreadable pictures."""

    def __init__(self, options: PhoneOptions) -> None:
        self.report = PhoneReport()
        self._options = options
        self._faces = Faces(options.pictures, options.side, options.seed)
        self._file = options.record.open("a", buffering=1, encoding="utf-8") if options.record else None
        self._seq = time.time_ns() // 1_000_000  # no number twice, also after a restart
        self._newest = False
        self._credit = 0
        self._unanswered: dict[int, None] = {}
        self._token = b""
        self._settings = {"enabled": "true", "fps_cap": str(options.fps)}
        self._settings |= {"jpeg_quality": str(options.quality), "deadline_ms": str(options.deadline_ms)}
        self._hinted: tuple[float, float] = (0.0, 0.0)  # pictures a second, and until when
        self._wait = FIRST_WAIT
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Send no more, wait for the results of what was sent, and end."""
        self._stopped.set()
        self._changed.set()

    async def run(self) -> PhoneReport:
        """Connect, and again whenever the stream breaks, until stopped or refused for good."""
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(self._shoot(), name="phone camera")]
                if self._options.duration is not None:
                    others.append(group.create_task(self._end_after(self._options.duration), name="phone timer"))
                await self._serve()
                for task in others:
                    task.cancel()
        finally:
            self._give_up()
            self.report.skipped += self._newest
            if self._file is not None:
                self._file.close()
        return self.report

    async def _shoot(self) -> None:
        """The camera: a new picture takes the place of one that was not sent."""
        while not self._stopped.is_set():
            self.report.captured += 1
            self.report.skipped += self._newest
            self._newest = True
            self._changed.set()
            await asyncio.sleep(1 / self._fps())

    def _fps(self) -> float:
        """Pictures a second: as meant, asked and advised, whichever is least."""
        fps, until = self._hinted
        advised = fps if fps > 0 and time.monotonic() < until else self._options.fps
        return min(self._options.fps, float(self._settings["fps_cap"]), advised)

    async def _end_after(self, duration: float) -> None:
        await asyncio.sleep(duration)
        self.stop()

    async def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                await self._connect()
            except grpc.aio.AioRpcError as error:
                self._note("broken", code=error.code().name)
                if error.code().name in FATAL:
                    self.report.refused = f"{error.code().name}: {error.details()}"
                    return
            except TimeoutError:
                self._note("broken", code="TIMEOUT")
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(self._wait / 2, self._wait)):
                    await self._stopped.wait()
            self._wait = min(2 * self._wait, LONGEST_WAIT)

    # ---------------------------------------------------------------------------------------------------- one stream

    async def _connect(self) -> None:
        """One stream, on a channel of its own: a channel whose network went away may never say so (grpc-java #5375)."""
        async with self._channel() as channel:
            session = channel.stream_stream(
                SESSION,
                request_serializer=pb.ClientMessage.SerializeToString,
                response_deserializer=pb.ServerMessage.FromString,
            )
            metadata = (("authorization", f"Bearer {self._options.token}"),) if self._options.token else ()
            call = session(metadata=metadata)
            async with asyncio.timeout(WELCOME_WITHIN):
                with suppress(asyncio.InvalidStateError):  # refused already: reading says why
                    await call.write(pb.ClientMessage(hello=self._hello()))
                first = await call.read()
            if isinstance(first, pb.ServerMessage):
                self._welcome(first.welcome)
                await self._exchange(call)

    def _channel(self) -> Any:
        if self._options.authority is None:
            return grpc.aio.insecure_channel(self._options.address, options=CHANNEL)
        authority = grpc.ssl_channel_credentials(self._options.authority.read_bytes())
        return grpc.aio.secure_channel(self._options.address, authority, options=CHANNEL)

    def _hello(self) -> pb.Hello:
        return pb.Hello(
            protocol=PROTOCOL,
            device_id=self._options.device,
            model=self._options.model,
            fps=self._options.fps,
            resume_token=self._token,
            unanswered=self._unanswered,
        )

    def _welcome(self, welcome: pb.Welcome) -> None:
        self._wait = FIRST_WAIT
        self._token = welcome.resume_token
        self._credit = welcome.credit
        self.report.connects += 1
        self.report.resumed += welcome.resumed
        self._note("welcome", session=welcome.session_id, resumed=welcome.resumed, unanswered=len(self._unanswered))
        if not welcome.resumed:
            self._give_up()
        self._changed.set()

    async def _exchange(self, call: Any) -> None:
        """Send and receive until the stream ends. Raises what ended it."""
        writing = asyncio.Lock()  # gRPC takes one write at a time
        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                others = [
                    group.create_task(self._send(call, writing, limit), name="phone send"),
                    group.create_task(self._tell(call, writing), name="phone statistics"),
                ]
                while isinstance(message := await call.read(), pb.ServerMessage):
                    await self._receive(message, call, writing)
                for task in others:
                    task.cancel()
        except* grpc.aio.AioRpcError as broken:
            error = broken
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None

    async def _send(self, call: Any, writing: asyncio.Lock, limit: asyncio.Timeout) -> None:
        """Frames while there is credit; then goodbye, and a limit to the wait for the last results."""
        with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):  # the stream is over: reading says why
            while not self._stopped.is_set():
                await self._changed.wait()
                self._changed.clear()
                if (
                    self._newest
                    and self._credit
                    and self._settings["enabled"] != "false"
                    and not self._stopped.is_set()
                ):
                    await self._write(call, writing, pb.ClientMessage(frame=self._frame()))
            limit.reschedule(asyncio.get_running_loop().time() + self._options.grace)
            await self._write(call, writing, pb.ClientMessage(bye=pb.Bye(reason="done")))
            await call.done_writing()

    async def _tell(self, call: Any, writing: asyncio.Lock) -> None:
        """What the phone measured, every second."""
        with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            while True:
                await asyncio.sleep(1.0)
                if self.report.rtt_us and not self._stopped.is_set():
                    await self._write(call, writing, pb.ClientMessage(stats=self._stats()))

    async def _receive(self, message: pb.ServerMessage, call: Any, writing: asyncio.Lock) -> None:
        match message.WhichOneof("body"):
            case "result":
                self._result(message.result)
            case "grant":
                self._credit += message.grant.credit
            case "desired":
                ack = self._obey(message.desired)
                with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
                    await self._write(call, writing, pb.ClientMessage(ack=ack))
            case "hint":
                self._hinted = (message.hint.target_fps, time.monotonic() + message.hint.valid_ms / 1000)
            case "go_away":
                self._wait = max(FIRST_WAIT, message.go_away.reconnect_after_ms / 1000)
                self._note("go away", cause=pb.GoAway.Cause.Name(message.go_away.cause))
            case _:  # news that this phone has no use for
                pass
        self._changed.set()

    async def _write(self, call: Any, writing: asyncio.Lock, message: pb.ClientMessage) -> None:
        async with writing:
            await call.write(message)

    # -------------------------------------------------------------------------------------------------------- messages

    def _frame(self) -> pb.Frame:
        crop = self._faces.cut(int(self._settings["jpeg_quality"]))
        self._newest = False
        self._credit -= 1
        self._seq += 1
        self._unanswered[self._seq] = None
        self.report.sent += 1
        self.report.bytes += len(crop.data)
        self._note("sent", seq=self._seq, bytes=len(crop.data), picture=crop.picture)
        return pb.Frame(
            seq=self._seq,
            client_ts_us=time.monotonic_ns() // 1000,
            deadline_ms=int(self._settings["deadline_ms"]),
            format=pb.JPEG,
            width=crop.width,
            height=crop.height,
            data=crop.data,
        )

    def _result(self, result: pb.Result) -> None:
        self._credit += result.credit
        if result.seq not in self._unanswered:
            self._note("unexpected", seq=result.seq, status=pb.Result.Status.Name(result.status))
            return
        del self._unanswered[result.seq]
        status = pb.Result.Status.Name(result.status)
        best = max(result.faces, key=lambda face: face.found, default=pb.Face())
        spent = result.durations
        server = sum(getattr(spent, stage.name) for stage in spent.DESCRIPTOR.fields)
        rtt = time.monotonic_ns() // 1000 - result.client_ts_us if result.client_ts_us else 0
        self.report.statuses[status] += 1
        if best.label:
            self.report.labels[best.label] += 1
        if rtt:  # a Result made for a lost frame has no stamp
            self.report.rtt_us.append(rtt)
            self.report.network_us.append(max(0, rtt - server))
        facts = {
            "label": best.label,
            "score": round(best.score, 3),
            "faces": len(result.faces),
            "reason": result.reason,
        }
        self._note(
            "result", seq=result.seq, status=status, rtt_us=rtt, server_us=server, infer_us=spent.infer_us, **facts
        )

    def _obey(self, desired: pb.Desired) -> pb.ControlAck:
        """Do what is asked, where it can be done."""
        ack = pb.ControlAck()
        for name, value in desired.values.items():
            if fault := _fault(name, value):
                ack.refused[name] = fault
            else:
                self._settings[name] = ack.reported[name] = value
        return ack

    def _stats(self) -> pb.ClientStats:
        rtt, network = sorted([*self.report.rtt_us][-200:]), sorted([*self.report.network_us][-200:])
        middle, high = len(rtt) // 2, int(len(rtt) * 0.95)
        return pb.ClientStats(
            rtt_p50_us=rtt[middle],
            rtt_p95_us=rtt[high],
            network_p50_us=network[middle],
            network_p95_us=network[high],
            skipped=self.report.skipped,
        )

    def _give_up(self) -> None:
        """Frames whose result will not come any more."""
        for seq in self._unanswered:
            self._note("lost", seq=seq)
        self.report.lost += len(self._unanswered)
        self._unanswered.clear()

    def _note(self, event: str, **fields: Any) -> None:
        if self._file is not None:
            line = {"event": event, "device": self._options.device, "at": time.time_ns() // 1000, **fields}
            self._file.write(json.dumps(line) + "\n")


def _fault(name: str, value: str) -> str:
    """Why a setting cannot be as asked; empty when it can."""
    if name == "enabled":
        return "" if value in ("true", "false") else "say true or false"
    if name not in LIMITS:
        return "this phone has no such setting"
    least, most = LIMITS[name]
    try:
        number = float(value) if name == "fps_cap" else int(value)
    except ValueError:
        return "not a number"
    return "" if least <= number <= most else f"not within {least:g}..{most:g}"
