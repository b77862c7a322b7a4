"""What waits to go up to the cloud: one thing of a device at a time, and rest for those it does not answer. Pure.

Times are seconds of a clock that never goes back, but for those of a `Silence` that people see (µs UTC).
"""

from __future__ import annotations

import heapq
from typing import Literal

from msgspec import Struct

Kind = Literal["twin", "state"]

SHORT = 1.0
"""Rest of a device when the cloud answers for none: it is in trouble, and the device is not to blame."""
FIRST, LONGEST = 5.0, 300.0
"""Rest of a device that alone is not answered; it doubles with each attempt."""
SHARE = 5
"""While there is news, every so many-th turn is for a state that is only repeated."""


class News(Struct, frozen=True):
    """What of a device is new to the cloud; the first cause of that."""

    device: str
    kind: Kind
    cause: str


class Silence(Struct):
    """A device that the cloud does not answer; `alone` when it answered for others meanwhile. `why` is its word."""

    device: str
    since: int
    attempts: int = 0
    alone: bool = False
    again: float = 0.0
    rest: float = 0.0
    why: str = ""


class Dispatch:
    """At most `limit` devices are on their way at once. There is one entry of each device and kind."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, dict[Kind, str]] = {}
        self._ready: dict[str, None] = {}
        self._repeats: dict[str, str] = {}
        self._turn = 0
        self._flying: set[str] = set()
        self._silent: dict[str, Silence] = {}
        self._resting: set[str] = set()
        self._rests: list[tuple[float, str]] = []
        """When each rest ends, the first first; those that were cut short are in it too."""

    def __len__(self) -> int:
        """Devices that wait or are on their way."""
        return len(self._waiting.keys() | self._repeats.keys() | self._flying)

    @property
    def silences(self) -> tuple[Silence, ...]:
        return tuple(self._silent.values())

    @property
    def due(self) -> float | None:
        """When the next rest ends."""
        while self._rests and not self._rests_still(*self._rests[0]):
            heapq.heappop(self._rests)
        return self._rests[0][0] if self._rests else None

    def repeat(self, device: str, cause: str) -> None:
        """Its state, which the cloud most likely has, and which news need not wait for."""
        self._repeats[device] = cause

    def add(self, device: str, kind: Kind, cause: str) -> None:
        if kind == "state":
            self._repeats.pop(device, None)
        self._waiting.setdefault(device, {}).setdefault(kind, cause)
        self._settle(device)

    def take(self, now: float) -> News | None:
        """What is to go next, in turn; its device has nothing else on its way until `done`, `silent` or `back`."""
        if len(self._flying) >= self._limit:
            return None
        self._wake(now)
        self._turn = (self._turn + 1) % SHARE
        if self._turn == 0:
            self._repeat()
        while not self._ready and self._repeats:
            self._repeat()
        if not self._ready:
            return None
        device = next(iter(self._ready))
        del self._ready[device]
        kinds = self._waiting[device]
        kind = next(iter(kinds))
        news = News(device, kind, kinds.pop(kind))
        if not kinds:
            del self._waiting[device]
        self._flying.add(device)
        return news

    def done(self, news: News, *, settled: bool) -> None:
        """It has arrived (or its device left), which settles a silence; or there was nothing to say."""
        if settled:
            self._silent.pop(news.device, None)
        self._flying.discard(news.device)
        self._settle(news.device)

    def back(self, news: News) -> None:
        """The link broke: it goes again, and so do all that rest, for the next link may be better."""
        self._flying.discard(news.device)
        self.add(news.device, news.kind, news.cause)
        for device in tuple(self._resting):
            self.forgive(device)

    def silent(self, news: News, now: float, at: int, why: str, *, alone: bool) -> Silence:
        """The cloud did not answer: the device rests."""
        silence = self._silent.setdefault(news.device, Silence(news.device, at))
        silence.attempts += 1
        silence.alone, silence.why = alone, why
        silence.rest = min(LONGEST, max(FIRST, 2 * silence.rest)) if alone else SHORT
        silence.again = now + silence.rest
        self._resting.add(news.device)
        heapq.heappush(self._rests, (silence.again, news.device))
        self._flying.discard(news.device)
        self.add(news.device, news.kind, news.cause)
        return silence

    def forgive(self, device: str) -> None:
        """There is hope for it: it goes as soon as there is room."""
        self._silent.pop(device, None)
        self._resting.discard(device)
        self._settle(device)

    def forget(self, device: str) -> None:
        """The device has left."""
        self.forgive(device)
        self._waiting.pop(device, None)
        self._ready.pop(device, None)
        self._repeats.pop(device, None)

    def _repeat(self) -> None:
        if device := next(iter(self._repeats), ""):
            self.add(device, "state", self._repeats[device])

    def _wake(self, now: float) -> None:
        while (due := self.due) is not None and due <= now:
            _, device = heapq.heappop(self._rests)
            self._resting.discard(device)
            self._settle(device)

    def _rests_still(self, until: float, device: str) -> bool:
        return device in self._resting and self._silent[device].again == until

    def _settle(self, device: str) -> None:
        if device in self._waiting and device not in self._flying and device not in self._resting:
            self._ready.setdefault(device)
