"""Where one phone's frames are worked on: the newest is looked at, put on disk, and answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from devices.offload import messages, twin
from devices.offload.credit import Answer, Ledger, Status
from devices.offload.ports import Detector, Intake
from devices.offload.resume import Lineage
from devices.offload.wire import offload_pb2 as pb
from runtime.clock import Clock
from twins.errors import Drop, Dropped, Rejected, Unavailable
from twins.exchange import Frame, Outcome, Result
from twins.stimuli import Inferred

DROPS: dict[Drop, Status] = {
    "newer": "DROPPED_NEWER",
    "deadline": "DROPPED_DEADLINE",
    "busy": "REJECTED_BUSY",
    "left": "DROPPED_NEWER",
    "stopping": "REJECTED_BUSY",
}
NOT_FOUND = 404


class Pending:
    """A frame that has no answer yet, and when it passed each stage; monotonic seconds.

    `useful` is how long after `received` a result is of use; `None`: always.
    """

    __slots__ = ("faces", "inferred", "message", "queued", "received", "result", "started", "useful")

    def __init__(self, message: pb.Frame, received: float, useful: float | None) -> None:
        self.message = message
        self.received = self.queued = self.started = received
        self.useful = useful
        self.inferred: float | None = None
        self.result: Result | None = None
        self.faces: list[pb.Face] = []


class Desk:
    """Takes frames and answers each once, through `lineage`. A result with status OK follows its commit.

    `network` is what the phone measured, in seconds: so much of a frame's deadline is spent outside the gateway.
    `switched` is called when results begin to come from another version of the model.
    """

    def __init__(
        self,
        device: str,
        model: pb.Model,
        ledger: Ledger[Pending],
        lineage: Lineage,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        answered: Counter[str],
        switched: Callable[[pb.Model], None],
        commit_timeout: float,
    ) -> None:
        self.model = model
        self.network = 0.0
        self._retired = self._stopped = False
        self._device = device
        self._ledger = ledger
        self._lineage = lineage
        self._intake = intake
        self._detector = detector
        self._clock = clock
        self._next_cause = next_cause
        self._answered = answered
        self._switched = switched
        self._commit_timeout = commit_timeout
        self._arrived = asyncio.Event()
        self._settled = asyncio.Event()
        self._source = ""

    def take(self, message: pb.Frame, deadline_ms: int) -> None:
        """A frame came; `deadline_ms` counts from its sending, 0 is none."""
        received = self._clock.monotonic()
        useful = max(0.0, deadline_ms / 1000 - self.network) if deadline_ms else None
        pending = Pending(message, received, useful)
        for answer in self._ledger.arrive(pending):
            self._answer(answer, "sent without credit" if answer.frame is pending else "a newer frame came")
        pending.queued = self._clock.monotonic()
        self._arrived.set()

    async def run(self) -> None:
        """Look at one frame after the other, always the newest, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while (pending := self._ledger.start()) is not None:
                await self._look(pending)

    def retire(self, *, stop: bool) -> None:
        """The stream is over: what is answered now grants nothing. With `stop`, no further result is stored."""
        self._retired = True
        self._stopped = stop

    async def settled(self) -> None:
        """Return when every frame has its answer."""
        while self._ledger.outstanding:
            self._settled.clear()
            await self._settled.wait()

    def give_up(self) -> None:
        """Answer frames whose commit is overdue: the phone must not wait for ever."""
        now = self._clock.monotonic()
        for pending in self._ledger.outstanding:
            if pending.inferred is not None and now - pending.inferred > self._commit_timeout:
                reason = f"not confirmed within {self._commit_timeout:.0f} s; it may still be stored"
                self._close(pending, "NOT_STORED", reason)

    def source_is(self, source: str) -> dict[str, str]:
        """The value to report when results begin to come from elsewhere."""
        changed, self._source = source != self._source, source
        return {"source": source} if changed else {}

    async def _look(self, pending: Pending) -> None:
        pending.started = self._clock.monotonic()
        waited = pending.started - pending.received
        if pending.useful is not None and waited >= pending.useful:
            return self._close(pending, "DROPPED_DEADLINE", f"its turn came after {waited * 1000:.0f} ms: too late")
        cause, at = self._next_cause(), self._clock.now()
        try:
            frame = messages.frame_of(pending.message, self._device, cause, at, pending.received)
            result = await self._detector.infer(self.model.name, frame, deadline=pending.useful)
        except Rejected as bad:
            self._close(pending, "MODEL_GONE" if bad.code == NOT_FOUND else "BAD_INPUT", bad.reason)
        except Dropped as dropped:
            self._close(pending, DROPS[dropped.kind], dropped.reason)
        except Unavailable as gone:
            self._close(pending, "MODEL_GONE", str(gone))
        else:
            if not self._stopped:
                await self._store(pending, frame, result)

    async def _store(self, pending: Pending, frame: Frame, result: Result) -> None:
        """Offer the result, and go on: the answer leaves when `_stored` is called."""
        pending.inferred = now = self._clock.monotonic()
        if result.version != self.model.version:
            self._switched(pb.Model(name=self.model.name, version=result.version, labels=self.model.labels))
        pending.result, pending.faces = result, messages.faces_of(result)
        values = twin.values_of(pending.faces, now - pending.received) | self.source_is("edge")
        inferred = Inferred(self._device, frame.cause, frame.at, result, values, frame.at, frame.seq)
        self._lineage.committing(frame.seq)
        try:
            async with asyncio.timeout(self._commit_timeout):
                await self._intake.offer([inferred], lambda outcome: self._stored(pending, outcome))
        except asyncio.CancelledError:
            self._lineage.forget(frame.seq)
            raise
        except Rejected as bad:
            self._close(pending, "NOT_STORED", bad.reason)
        except (Unavailable, TimeoutError) as full:
            self._close(pending, "REJECTED_BUSY", f"the gateway has no room: {full}")

    def _stored(self, pending: Pending, outcome: Outcome) -> None:
        if outcome.refused is not None:
            self._close(pending, "NOT_STORED", outcome.refused)
        else:
            self._close(pending, "OK" if pending.faces else "NO_FACE", "")

    def _close(self, pending: Pending, status: Status, reason: str) -> None:
        answer = self._ledger.answer(pending, status)
        if answer is not None:  # else: overdue, and answered as such
            self._answer(answer, reason)

    def _answer(self, answer: Answer[Pending], reason: str) -> None:
        pending = answer.frame
        result = pb.Result(
            seq=pending.message.seq,
            client_ts_us=pending.message.client_ts_us,
            status=answer.status,
            reason=reason[: twin.TEXT_LIMIT],
            faces=pending.faces,
            durations=_durations(pending, self._clock.monotonic()),
            model=self.model.name,
            model_version=self.model.version,
            credit=0 if self._retired else answer.credit,
            queue_depth=self._ledger.waiting,
        )
        self._answered[answer.status] += 1
        self._lineage.answered(result)
        if not self._ledger.outstanding:
            self._settled.set()


def _durations(pending: Pending, now: float) -> pb.Durations:
    """Where the time went. What no stage names is in `post_us`, so that the sum is the whole stay."""
    result, inferred = pending.result, pending.inferred
    stay = _us(now - pending.received)
    recv = _us(pending.queued - pending.received)
    if result is None or inferred is None:
        return pb.Durations(recv_to_queue_us=recv, queue_us=max(0, stay - recv))
    queue = max(_us(pending.started - pending.queued), result.queue_us - recv)  # the engine's counts from `received`
    commit = _us(now - inferred)
    named = recv + queue + result.decode_us + result.infer_us + commit
    return pb.Durations(
        recv_to_queue_us=recv,
        queue_us=queue,
        decode_us=result.decode_us,
        infer_us=result.infer_us,
        post_us=max(0, stay - named),
        commit_us=commit,
    )


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
