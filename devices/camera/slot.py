"""The place between a reader thread and the event loop: it holds one picture, the newest.

Every picture of the source is counted where its fate is decided, so that at any moment
`offered = passed_over + superseded + taken + waiting`, exactly.
"""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from av import VideoFrame


class Shot(Struct, frozen=True):
    """A decoded picture, not yet converted. `seq` counts the source's pictures, `received` is monotonic seconds."""

    frame: VideoFrame
    seq: int
    at: int
    received: float


class Counts(Struct, frozen=True):
    """What became of the source's pictures. `waiting` is 0 or 1."""

    offered: int
    passed_over: int
    superseded: int
    taken: int
    waiting: int


class Slot:
    """Policy when full: the older picture is superseded. Made in the event loop that takes from it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = Lock()
        self._shot: Shot | None = None
        self._error: Exception | None = None
        self._offered = 0
        self._passed_over = 0
        self._superseded = 0
        self._taken = 0

    def pass_over(self) -> None:
        """From the thread: a picture came that is not wanted."""
        with self._lock:
            self._offered += 1
            self._passed_over += 1

    def put(self, frame: VideoFrame, at: int, received: float) -> None:
        """From the thread: a picture came that is wanted."""
        with self._lock:
            self._offered += 1
            self._superseded += self._shot is not None
            self._shot = Shot(frame, self._offered, at, received)
        self._wake()

    def end(self, error: Exception) -> None:
        """From the thread: no more pictures will come, and why."""
        with self._lock:
            self._error = error
        self._wake()

    async def take(self) -> Shot:
        """The newest picture, once there is one. Raises what `end` was given once the slot is empty."""
        while True:
            with self._lock:
                shot, self._shot = self._shot, None
                self._taken += shot is not None
                error = self._error
            if shot is not None:
                return shot
            if error is not None:
                raise error
            # No wake-up is lost: `set` runs in this loop, hence after this `clear`.
            self._arrived.clear()
            await self._arrived.wait()

    def clear(self) -> None:
        """Make ready for the next reader; a picture still waiting is superseded."""
        with self._lock:
            self._superseded += self._shot is not None
            self._shot = None
            self._error = None

    @property
    def counts(self) -> Counts:
        with self._lock:
            waiting = int(self._shot is not None)
            return Counts(self._offered, self._passed_over, self._superseded, self._taken, waiting)

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:  # the loop is closed: a reader that blocked past its deadline has nobody to tell
            return
