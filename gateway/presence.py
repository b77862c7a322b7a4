"""Notices that a device has fallen silent: nothing comes then, so somebody has to look at the clock.

Theory of operation. Each device that is not offline has one entry in a heap, due when it would have been silent for too
long if nothing came since the entry was made. A message moves no entry, so it costs nothing here. When an entry is due
its twin says when it was heard last: the entry moves on, or a `Missed` passes the sequencer, which knows what came
meanwhile. Once a second, however many devices there are, only what is due is looked at.

Silence is a device's own only while we listen: every device has its interval again after a start, after its door heard
nothing, and after a jump of the wall clock.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.bulletin import Bulletin
from gateway.committed import Committed
from runtime.clock import Clock
from twins.liveness import Limits, judge, worse
from twins.stimuli import Missed, Noted, Stimulus
from twins.twin import Twins
from twins.values import Twin

LOOK = 1.0
"""Seconds between two looks at what is due."""
AGAIN = 60_000_000
"""Microseconds after which a device is looked at again at the latest: its manifest may have changed."""
TOGETHER = 256
"""Devices whose silence is told in one offer."""
JUMP = 2_000_000
"""Microseconds by which the wall clock may go astray between two looks."""


class Intake(Protocol):
    """Where stimuli go."""

    async def offer(self, stimuli: Sequence[Stimulus]) -> None: ...


class PresenceCounts(Struct):
    """`judged` devices were due, `missed` of them were silent for too long."""

    judged: int = 0
    missed: int = 0


class Presence:
    """Watches over the devices. `deaf` tells the doors by which nothing is heard now, with the reason."""

    def __init__(
        self,
        twins: Twins,
        intake: Intake,
        clock: Clock,
        next_cause: Callable[[], str],
        limits: Limits,
        deaf: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.counts = PresenceCounts()
        self._twins = twins
        self._intake = intake
        self._clock = clock
        self._next_cause = next_cause
        self._limits = limits
        self._deaf = deaf
        self._silent: Mapping[str, str] = {}
        self._excuses: set[str] = set()
        self._since: dict[str, int] = {}
        self._began = 0
        self._offset = 0
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._bulletin = Bulletin(next_cause)

    def __len__(self) -> int:
        """Devices that are watched over."""
        return len(self._due)

    def tell(self, committed: Committed) -> None:
        """Watch over devices that were heard for the first time or again, and gather what people are told."""
        for status in committed.statuses:
            self._bulletin.add(status)
            twin = self._twins.get(status.device)
            if twin is not None:
                self._watch(twin, self._clock.now())

    def states(self) -> dict[str, int]:
        """How many devices are `online`, `unknown` and `offline`."""
        counted = Counter(twin.life.presence or "unknown" for twin in self._twins)
        return {state: counted[state] for state in ("online", "unknown", "offline")}

    async def run(self) -> None:
        self._begin()
        while True:
            await self._clock.sleep(LOOK)
            self._listen()
            await self._look()
            events = self._bulletin.due(self._clock.now())
            if events:
                await self._intake.offer([Noted("", event.cause, event.at, event) for event in events])

    def _begin(self) -> None:
        """Listen from now on, to every device."""
        self._began = now = self._clock.now()
        self._offset = now - round(self._clock.monotonic() * 1e6)
        self._since.clear()
        self._due.clear()
        self._heap.clear()
        for twin in self._twins:
            self._watch(twin, now)

    def _listen(self) -> None:
        """Note which doors hear again, and whether the wall clock went astray."""
        now, deaf = self._clock.now(), self._deaf()
        for door in self._silent.keys() - deaf.keys():
            self._since[door] = now
        self._silent = dict(deaf)
        self._excuses.update(deaf.values())
        offset = now - round(self._clock.monotonic() * 1e6)
        if abs(offset - self._offset) > JUMP:
            self._begin()
        self._offset = offset

    async def _look(self) -> None:
        now = self._clock.now()
        missed: list[Missed] = []
        while self._heap and self._heap[0][0] <= now:
            due, device = heapq.heappop(self._heap)
            if self._due.get(device) != due:
                continue  # it was moved
            del self._due[device]
            twin = self._twins.get(device)
            if twin is not None and twin.life.watched:
                missed += self._judged(twin, now)
            if len(missed) >= TOGETHER:
                await self._intake.offer(missed)
                missed = []
        if missed:
            await self._intake.offer(missed)

    def _judged(self, twin: Twin, now: int) -> list[Missed]:
        """What its silence means, if that is news; and when to look again."""
        self.counts.judged += 1
        life, deaf = twin.life, self._silent.get(twin.life.door, "")
        verdict = judge(life, twin.seen, now, self._listening(twin), self._limits, deaf)
        self._set(twin.device, verdict.due, now)
        excused = verdict.presence == life.presence and life.reason in self._excuses and not deaf
        if not excused and not worse(verdict.presence, life.presence):
            return []
        self.counts.missed += 1
        return [Missed(twin.device, self._next_cause(), now, twin.seen, verdict.presence, verdict.reason)]

    def _watch(self, twin: Twin, now: int) -> None:
        """Look at it when it is due; of a device that is offline, or was never heard, nothing is expected."""
        if not twin.life.watched:
            return
        verdict = judge(twin.life, twin.seen, now, self._listening(twin), self._limits)
        self._set(twin.device, verdict.due, now)

    def _listening(self, twin: Twin) -> int:
        return self._since.get(twin.life.door, self._began)

    def _set(self, device: str, due: int, now: int) -> None:
        due = min(due, now + AGAIN)
        if self._due.get(device, due + 1) > due:
            self._due[device] = due
            heapq.heappush(self._heap, (due, device))
