"""Admission: who is looked at next, and who is not looked at at all.

Theory of operation. Each source (camera, phone) has a slot for one frame, its newest: an older one that still waits is
dropped when the next arrives. Workers take from the slots in turn, one a source: a fast source cannot crowd out a slow
one. A frame with a deadline is dropped, on arrival or when its turn comes, if what it has waited plus what the model
typically takes is more. Every frame has exactly one outcome, and the counters add up:
offered = done + dropped + failed + waiting + running.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from msgspec import Struct

from runtime.clock import Clock
from twins.errors import Drop, Dropped, Unavailable
from twins.exchange import Frame, ModelInfo, Result


class Engine(Protocol):
    """What stands behind admission, and what admission itself is to its callers."""

    info: ModelInfo

    async def infer(self, frame: Frame, *, deadline: float | None = None) -> Result: ...


class Counts(Struct, frozen=True):
    """Frames since the start. `drops` splits `dropped` by its reason; `typical` is a frame's work in seconds."""

    offered: int
    done: int
    dropped: int
    failed: int
    waiting: int
    running: int
    drops: dict[Drop, int]
    typical: float


class Typical:
    """What a frame's work typically takes, in seconds: a moving mean, which the last ten or so decide."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def learn(self, seconds: float) -> None:
        self.seconds += (seconds - self.seconds) * (0.2 if self.seconds else 1.0)

    def doubt(self) -> None:
        """It refused a frame. An estimate that refuses every frame is never corrected by one: so it fades."""
        self.seconds *= 0.9


class Admission:
    """An engine of the same port, bounded: `workers` frames are worked on at once, one of each of `sources` waits.

    A caller waits at most `limit` seconds, whatever happens behind.
    """

    def __init__(
        self, engine: Engine, clock: Clock, *, workers: int = 2, sources: int = 64, limit: float = 30.0
    ) -> None:
        self.info = engine.info
        self._engine = engine
        self._clock = clock
        self._workers = workers
        self._sources = sources
        self._limit = limit
        self._slots: dict[str, _Entry] = {}  # by source, in the order of their turns
        self._filled = asyncio.Event()
        self._running: set[_Entry] = set()
        self._typical = Typical()
        self._stopped = False
        self._offered = self._done = self._failed = 0
        self._drops: Counter[Drop] = Counter()

    @property
    def counts(self) -> Counts:
        return Counts(
            offered=self._offered,
            done=self._done,
            dropped=self._drops.total(),
            failed=self._failed,
            waiting=len(self._slots),
            running=len(self._running),
            drops=dict(self._drops),
            typical=self._typical.seconds,
        )

    async def infer(self, frame: Frame, *, deadline: float | None = None) -> Result:
        """The engine's result or error, or `Dropped` with the reason. `deadline` in seconds after `frame.received`."""
        self._offered += 1
        entry = _Entry(frame, deadline)
        self._enter(entry)
        try:
            async with asyncio.timeout(self._limit):
                return await entry.outcome
        except TimeoutError as error:
            unanswered = Unavailable(f"{self.info.name} gave no answer within {self._limit:.0f} s")
            self._abandon(entry, unanswered)
            raise unanswered from error
        except asyncio.CancelledError:
            self._abandon(entry, _left())
            raise

    async def run(self) -> None:
        """Work until cancelled; then every frame that still waits is dropped as `stopping`."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"admission {self.info.name} {number}")
        finally:
            self._stopped = True
            while self._slots:
                self._settle(self._take(), _stopping())

    def _enter(self, entry: _Entry) -> None:
        source = entry.frame.device
        older = self._slots.get(source)
        if self._stopped:
            self._settle(entry, _stopping())
        elif (late := self._late(entry)) is not None:
            self._settle(entry, late)
        elif older is None and len(self._slots) >= self._sources:
            self._settle(entry, Dropped("busy", f"{self._sources} other sources wait for {self.info.name}"))
        else:
            self._slots[source] = entry  # in the older one's place: its turn is not lost
            self._filled.set()
            if older is not None:
                self._settle(older, Dropped("newer", f"frame {entry.frame.seq} of {source} came before its turn"))

    async def _work(self) -> None:
        while True:
            await self._filled.wait()
            if self._slots:
                await self._answer(self._take())

    def _take(self) -> _Entry:
        source = next(iter(self._slots))
        entry = self._slots.pop(source)
        if not self._slots:
            self._filled.clear()
        return entry

    async def _answer(self, entry: _Entry) -> None:
        if entry.outcome.cancelled():
            self._settle(entry, _left())
            return
        if (late := self._late(entry)) is not None:
            self._settle(entry, late)
            return
        self._running.add(entry)
        started = self._clock.monotonic()
        try:
            result = await self._engine.infer(entry.frame, deadline=entry.deadline)
        except asyncio.CancelledError:
            self._settle(entry, _stopping())
            raise
        except Exception as error:  # noqa: BLE001 - one frame's failure is its caller's; the next frame is looked at
            self._settle(entry, error)
        else:
            self._typical.learn(self._clock.monotonic() - started)
            self._settle(entry, result)

    def _late(self, entry: _Entry) -> Dropped | None:
        if entry.deadline is None:
            return None
        waited = self._clock.monotonic() - entry.frame.received
        if waited + self._typical.seconds <= entry.deadline:
            return None
        typical = self._typical.seconds
        if waited <= entry.deadline:
            self._typical.doubt()
        reason = f"waited {waited * 1000:.0f} ms and takes {typical * 1000:.0f} ms: over {entry.deadline * 1000:.0f} ms"
        return Dropped("deadline", reason)

    def _abandon(self, entry: _Entry, outcome: Exception) -> None:
        """Its caller waits no more: give up its slot, or let its work end unheard."""
        if self._slots.get(entry.frame.device) is entry:
            del self._slots[entry.frame.device]
            if not self._slots:
                self._filled.clear()
        self._settle(entry, outcome)

    def _settle(self, entry: _Entry, outcome: Result | Exception) -> None:
        """Give a frame its one outcome; the first one counts. Its caller may be gone: then nobody hears it."""
        self._running.discard(entry)
        if entry.settled:
            return
        entry.settled = True
        match outcome:
            case Result():
                self._done += 1
            case Dropped():
                self._drops[outcome.kind] += 1
            case _:
                self._failed += 1
        if entry.outcome.done():
            return
        if isinstance(outcome, Result):
            entry.outcome.set_result(outcome)
        else:
            entry.outcome.set_exception(outcome)


class _Entry:
    """One offered frame. `outcome` is awaited by its caller alone, and cancelled with it a moment before it knows."""

    __slots__ = ("deadline", "frame", "outcome", "settled")

    def __init__(self, frame: Frame, deadline: float | None) -> None:
        self.frame = frame
        self.deadline = deadline
        self.outcome: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.settled = False


def _stopping() -> Dropped:
    return Dropped("stopping", "the gateway stops")


def _left() -> Dropped:
    return Dropped("left", "its caller went away")
