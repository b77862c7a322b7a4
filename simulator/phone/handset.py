"""A phone's behaviour: one newest picture, credit, results, and a stream that is opened again when it breaks.

It speaks the published protocol (`proto/gemelo/offload/v1/offload.proto`) and shares no code with the gateway.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from simulator.phone.faces import Faces
from simulator.phone.options import PhoneOptions
from simulator.phone.report import PhoneReport
from simulator.phone.settings import Settings
from simulator.phone.stream import OVER, Stream, opened
from simulator.wire import offload_pb2 as pb

PROTOCOL = 1
WELCOME_WITHIN = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
FATAL = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "ABORTED"}
)
"""Ends that coming back would not mend."""


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
        self._settings = Settings(options)
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
            await asyncio.sleep(1 / self._settings.fps)

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
        async with opened(self._options) as stream:
            async with asyncio.timeout(WELCOME_WITHIN):
                with suppress(asyncio.InvalidStateError):  # refused already: reading says why
                    await stream.write(pb.ClientMessage(hello=self._hello()))
                first = await stream.read()
            if first is not None:
                self._welcome(first.welcome)
                await self._exchange(stream)

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

    async def _exchange(self, stream: Stream) -> None:
        """Send and receive until the stream ends. Raises what ended it."""
        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                others = [
                    group.create_task(self._send(stream, limit), name="phone send"),
                    group.create_task(self._tell(stream), name="phone statistics"),
                ]
                while (message := await stream.read()) is not None:
                    await self._receive(message, stream)
                for task in others:
                    task.cancel()
        except* grpc.aio.AioRpcError as broken:
            error = broken
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None

    async def _send(self, stream: Stream, limit: asyncio.Timeout) -> None:
        """Frames while there is credit; then goodbye, and a limit to the wait for the last results."""
        with suppress(*OVER):  # the stream is over: reading says why
            while not self._stopped.is_set():
                await self._changed.wait()
                self._changed.clear()
                if self._newest and self._credit and self._settings.enabled and not self._stopped.is_set():
                    await stream.write(pb.ClientMessage(frame=self._frame()))
            limit.reschedule(asyncio.get_running_loop().time() + self._options.grace)
            await stream.write(pb.ClientMessage(bye=pb.Bye(reason="done")))
            await stream.end()

    async def _tell(self, stream: Stream) -> None:
        """What the phone measured, every second."""
        with suppress(*OVER):
            while True:
                await asyncio.sleep(1.0)
                if self.report.rtt_us and not self._stopped.is_set():
                    await stream.write(pb.ClientMessage(stats=self.report.stats()))

    async def _receive(self, message: pb.ServerMessage, stream: Stream) -> None:
        match message.WhichOneof("body"):
            case "result":
                self._result(message.result)
            case "grant":
                self._credit += message.grant.credit
            case "desired":
                ack = self._settings.obey(message.desired)
                with suppress(*OVER):
                    await stream.write(pb.ClientMessage(ack=ack))
            case "hint":
                self._settings.heed(message.hint)
            case "go_away":
                self._wait = max(FIRST_WAIT, message.go_away.reconnect_after_ms / 1000)
                self._note("go away", cause=pb.GoAway.Cause.Name(message.go_away.cause))
            case _:  # news that this phone has no use for
                pass
        self._changed.set()

    # -------------------------------------------------------------------------------------------------------- messages

    def _frame(self) -> pb.Frame:
        crop = self._faces.cut(self._settings.quality)
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
            deadline_ms=self._settings.deadline_ms,
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
        self.report.hear(status, best.label, rtt, server)
        facts = {
            "label": best.label,
            "score": round(best.score, 3),
            "faces": len(result.faces),
            "reason": result.reason,
        }
        self._note(
            "result", seq=result.seq, status=status, rtt_us=rtt, server_us=server, infer_us=spent.infer_us, **facts
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
