"""One phone's stream, from Welcome to its end: messages in, messages out, and what the phone reports of itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal, Protocol

from devices.offload import twin
from devices.offload.account import Account
from devices.offload.advice import Advice
from devices.offload.config import OffloadConfig
from devices.offload.credit import Ledger, window_for
from devices.offload.desk import Desk, Pending
from devices.offload.outgoing import Outgoing
from devices.offload.ports import Detector, Intake
from devices.offload.resume import Lineage
from devices.offload.wire import offload_pb2 as pb
from runtime.clock import Clock
from twins.stimuli import Edit

Ending = Literal["left", "gone", "replaced", "stopping", "slow"]

GO_AWAY: dict[Ending, pb.GoAway.Cause] = {
    "replaced": pb.GoAway.REPLACED,
    "stopping": pb.GoAway.SHUTTING_DOWN,
    "slow": pb.GoAway.TOO_SLOW,
}
FAREWELL = 1.0
"""Seconds to get a GoAway out; the session that replaces this one does not wait for it."""
COME_BACK_MS = 1000
ADVICE_MS = 3000
"""How long a Hint holds; a new one comes each second while there is need."""


class Stream(Protocol):
    """Messages to and from one phone."""

    async def read(self) -> pb.ClientMessage | None:
        """The next message; `None` when the phone sends no more. Raises `ConnectionError` when it is gone."""
        ...

    async def write(self, message: pb.ServerMessage) -> None:
        """Return when the transport took it. Raises `ConnectionError` when the phone is gone."""
        ...


class Session:
    """One stream of one device; single-use. `_read` takes messages in, the desk answers frames, `_write` sends."""

    def __init__(
        self,
        device: str,
        hello: pb.Hello,
        model: pb.Model,
        stream: Stream,
        lineage: Lineage,
        config: OffloadConfig,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        answered: Counter[str],
    ) -> None:
        self.device = device
        self.lineage = lineage
        self._hello = hello
        self._stream = stream
        self._config = config
        self._clock = clock
        self._ledger: Ledger[Pending] = Ledger(config.credit, config.credit_limit)
        self._desk = Desk(
            device=device,
            model=model,
            ledger=self._ledger,
            lineage=lineage,
            intake=intake,
            detector=detector,
            clock=clock,
            next_cause=next_cause,
            answered=answered,
            switched=self.switch,
            commit_timeout=config.commit_timeout,
        )
        self._outgoing = Outgoing()
        self._over = asyncio.Event()
        self._ending: Ending = "left"
        self._advice = Advice(hello.fps)
        self._heard = (0, 0)
        self._account = Account(device, intake, clock, next_cause, config.commit_timeout)
        self._account.note({"model": Edit(reported=model.name)})

    def welcome(self, token: bytes, resumed: bool) -> None:
        """Open the exchange: the first credit, and a Result for each frame that a resumed session left without."""
        welcome = pb.Welcome(
            session_id=self.lineage.session,
            resume_token=token,
            resume_ttl_ms=int(self._config.resume_for * 1000),
            model=self._desk.model,
            credit=self._ledger.grant(),
            resumed=resumed,
            limits=pb.Limits(max_in_flight=self._config.credit_limit, max_bytes=self._config.max_bytes),
        )
        self._send(pb.ServerMessage(welcome=welcome))
        self.lineage.sink = self._result
        for seq in self._hello.unanswered[: self._outgoing.limit] if resumed else ():
            if (result := self.lineage.missed(seq)) is not None:
                self._result(result)

    async def run(self) -> Ending:
        """Serve until the phone leaves or `end` is called; frames it sent before it left are answered first."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(), name=f"offload read {self.device}")
            desk = group.create_task(self._desk.run(), name=f"offload desk {self.device}")
            others = [
                group.create_task(self._write(), name=f"offload write {self.device}"),
                group.create_task(self._tick(), name=f"offload tick {self.device}"),
            ]
            await self._over.wait()
            reader.cancel()
            if self._ending != "left":
                desk.cancel()
            with suppress(TimeoutError):
                await self._finish()
            for task in (desk, *others):
                task.cancel()
        return self._ending

    def end(self, ending: Ending, reason: str = "") -> None:
        """End at once: a GoAway if it can be got out, no more answers."""
        if self._over.is_set():
            return
        away = pb.GoAway(cause=GO_AWAY[ending], reconnect_after_ms=COME_BACK_MS, reason=reason)
        self._send(pb.ServerMessage(go_away=away))
        self._leave(ending)

    def ask(self, values: Mapping[str, str]) -> None:
        """Tell the phone what is asked of it. `enabled` also stops or starts its credit."""
        self._send(pb.ServerMessage(desired=pb.Desired(values=dict(values))))
        if "enabled" in values:
            self._ledger.pause(values["enabled"] == "false")
            self._grant()

    def switch(self, model: pb.Model) -> None:
        """Look at the following frames with another model, or another version of it."""
        self._desk.model = model
        self._account.note({"model": Edit(reported=model.name)})
        self._send(pb.ServerMessage(model_changed=pb.ModelChanged(model=model)))

    async def _read(self) -> None:
        while not self._over.is_set():
            await self._outgoing.room()
            try:
                message = await self._stream.read()
            except ConnectionError:
                self._leave("gone")
                break
            if message is None:
                break
            match message.WhichOneof("body"):
                case "frame":
                    self._desk.take(message.frame, message.frame.deadline_ms or self._hello.deadline_ms)
                case "local_result":
                    await self._account.infer(message.local_result, self._desk.source_is("device"))
                case "stats":
                    self._heed(message.stats)
                case "ack":
                    self._account.note(twin.acknowledged(message.ack))
                    await self._account.report()
                case "bye":
                    break
                case _:  # a second Hello, or a message of a later protocol: ignored, as the protocol says
                    pass
        self._leave("left")

    def _heed(self, stats: pb.ClientStats) -> None:
        """Keep what the phone measured for the next tick; fill its network."""
        self._account.note(twin.edits_of(stats))
        self._desk.network = stats.network_p50_us / 1e6
        interval = 1 / self._hello.fps if self._hello.fps > 0 else 0.0
        self._ledger.resize(window_for(self._desk.network, interval, self._config.credit))
        self._grant()

    def _grant(self) -> None:
        if credit := self._ledger.grant():
            self._send(pb.ServerMessage(grant=pb.Grant(credit=credit)))

    def _result(self, result: pb.Result) -> None:
        self._send(pb.ServerMessage(result=result))

    def _send(self, message: pb.ServerMessage) -> None:
        self._outgoing.put(message, self._clock.monotonic())

    async def _write(self) -> None:
        while True:
            message, since = await self._outgoing.next()
            if message.HasField("result"):
                message.result.durations.send_wait_us = int((self._clock.monotonic() - since) * 1e6)
            try:
                async with asyncio.timeout(self._config.send_timeout):
                    await self._stream.write(message)
            except TimeoutError:
                return self.end("slow")
            except ConnectionError:
                return self._leave("gone")
            self._outgoing.sent()

    async def _tick(self) -> None:
        """Once a second: answer overdue frames, report what has changed (the newest of each value)."""
        while True:
            await self._clock.sleep(1.0)
            self._desk.give_up()
            self._advise()
            await self._account.report()

    def _advise(self) -> None:
        counts = self._ledger.answered
        answered, dropped = counts.total(), counts["DROPPED_DEADLINE"] + counts["REJECTED_BUSY"]
        fps = self._advice.hear(answered - self._heard[0], dropped - self._heard[1])
        self._heard = (answered, dropped)
        if fps is not None:
            hint = pb.Hint(target_fps=fps, reason="frames are dropped for load", valid_ms=ADVICE_MS)
            self._send(pb.ServerMessage(hint=hint))

    def _leave(self, ending: Ending) -> None:
        if not self._over.is_set():
            self._ending = ending
            self._desk.retire(stop=ending != "left")
            self._over.set()

    async def _finish(self) -> None:
        """Answer what was sent, if the phone left in peace, and get the last messages out."""
        if self._ending == "gone":
            return
        async with asyncio.timeout(self._config.drain_timeout if self._ending == "left" else FAREWELL):
            if self._ending == "left":
                await self._desk.settled()
                await self._account.report()
            await self._outgoing.empty()
