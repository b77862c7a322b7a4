"""Messages that wait to be written to one phone: bounded, because who reads waits for room."""

from __future__ import annotations

import asyncio
from collections import deque

from devices.offload.wire.offload_pb2 import ServerMessage


class Outgoing:
    """A queue of at most `limit` messages plus one per outstanding frame. Policy when full: WAIT, at `room()`.

    `put` never waits, for it answers commits; the session reads no further message from the phone before `room()`.
    """

    def __init__(self, limit: int = 16) -> None:
        self.limit = limit
        self.high_water = 0
        self._messages: deque[tuple[ServerMessage, float]] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._roomy = asyncio.Event()
        self._emptied.set()
        self._roomy.set()

    def put(self, message: ServerMessage, now: float) -> None:
        """`now` is monotonic, in seconds; it comes back from `next()`."""
        self._messages.append((message, now))
        self.high_water = max(self.high_water, len(self._messages))
        self._filled.set()
        self._emptied.clear()
        if len(self._messages) >= self.limit:
            self._roomy.clear()

    async def next(self) -> tuple[ServerMessage, float]:
        """The oldest message and when it was put. It counts until `sent()`."""
        await self._filled.wait()
        return self._messages[0]

    def sent(self) -> None:
        """The oldest message is written."""
        self._messages.popleft()
        if not self._messages:
            self._filled.clear()
            self._emptied.set()
        if len(self._messages) < self.limit:
            self._roomy.set()

    async def room(self) -> None:
        await self._roomy.wait()

    async def empty(self) -> None:
        await self._emptied.wait()
