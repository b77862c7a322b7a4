"""Who may send, which frame is newest, and that each frame is answered once: the rules of one session, pure.

Theory of operation. A frame that arrives is *waiting* (one slot: a newer one takes the place of an older one), then
*under way*, then *answered*. The phone holds `available` credit; frames waiting or under way are `outstanding`. With
each answer the ledger grants what brings `available + outstanding` up to the window. A frame sent without credit is
answered at once (REJECTED_BUSY) and touches neither: a phone that breaks the rules cannot make the gateway hold more.

Invariants: arrived = answered + outstanding; available >= 0; available + outstanding <= the largest window so far.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, Literal, TypeVar

from msgspec import Struct

Status = Literal[
    "OK",
    "NO_FACE",
    "DROPPED_NEWER",
    "DROPPED_DEADLINE",
    "REJECTED_BUSY",
    "BAD_INPUT",
    "MODEL_GONE",
    "NOT_STORED",
]
"""The names of `Result.Status` on the wire."""

T = TypeVar("T")


class Answer(Struct, Generic[T], frozen=True):
    """The one answer to `frame`, with the credit that goes with it."""

    frame: T
    status: Status
    credit: int


class Ledger(Generic[T]):
    """The frames and the credit of one session. Frames are told apart by identity."""

    def __init__(self, window: int = 2, limit: int = 4) -> None:
        self.limit = limit
        self.arrived = 0
        self.answered: Counter[Status] = Counter()
        self.available = 0
        self._window = min(window, limit)
        self._paused = False
        self._waiting: T | None = None
        self._outstanding: dict[int, T] = {}

    @property
    def window(self) -> int:
        return 0 if self._paused else self._window

    @property
    def outstanding(self) -> tuple[T, ...]:
        """Frames that have no answer yet, oldest first."""
        return tuple(self._outstanding.values())

    @property
    def waiting(self) -> int:
        return int(self._waiting is not None)

    def grant(self) -> int:
        """Frames that the phone may send more than before: tell it."""
        more = max(0, self.window - self.available - len(self._outstanding))
        self.available += more
        return more

    def resize(self, window: int) -> None:
        """Move the window within 1..limit. It shrinks as answers withhold their credit; to grow, `grant()`."""
        self._window = max(1, min(window, self.limit))

    def pause(self, paused: bool) -> None:
        """While paused nothing is granted; what was granted stays valid. After it, `grant()`."""
        self._paused = paused

    def arrive(self, frame: T) -> list[Answer[T]]:
        """Take a frame in. Returns what is answered by its coming: itself (no credit), or the one it replaces."""
        self.arrived += 1
        if self.available == 0:
            self.answered["REJECTED_BUSY"] += 1
            return [Answer(frame, "REJECTED_BUSY", 0)]
        self.available -= 1
        self._outstanding[id(frame)] = frame
        replaced, self._waiting = self._waiting, frame
        answer = self.answer(replaced, "DROPPED_NEWER") if replaced is not None else None
        return [answer] if answer else []

    def start(self) -> T | None:
        """The waiting frame, now under way."""
        frame, self._waiting = self._waiting, None
        return frame

    def answer(self, frame: T, status: Status) -> Answer[T] | None:
        """Answer an outstanding frame; `None` when it has been answered already."""
        if self._outstanding.pop(id(frame), None) is None:
            return None
        if self._waiting is frame:
            self._waiting = None
        self.answered[status] += 1
        return Answer(frame, status, self.grant())


def window_for(network: float, interval: float, least: int) -> int:
    """Frames to allow so that a network slower than the pictures stays filled: one more for each interval it takes.

    Both in seconds; `interval` 0 means not known.
    """
    return least + int(network / interval) if interval > 0 else least
