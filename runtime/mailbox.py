"""A bounded mailbox: the only queue between parts. It says what happens when it is full, and counts everything.

    box = Mailbox[Stimulus]("intake", 4096, Policy.WAIT)
    await box.put(stimulus)                # producers, many
    batch = await box.take(256)            # up to 256 at once; empty once the box is closed and drained

Always: offered = taken + dropped + refused + depth + waiting.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import Enum
from itertools import islice
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Policy(Enum):
    """What a full mailbox does."""

    WAIT = "wait"
    """The producer waits; waiting producers are served in their order."""
    DROP_OLDEST = "drop oldest"
    """The oldest item makes room."""
    KEEP_LATEST = "keep latest"
    """A new item takes the place of the waiting one with the same key; when full of other keys, the oldest goes."""


class Closed(Exception):
    """The mailbox takes nothing any more."""


class Statistics(Struct, frozen=True, gc=False):
    """Counts since the start; `depth` and `waiting` are of now, `high` is the greatest depth seen."""

    name: str
    size: int
    depth: int
    high: int
    waiting: int
    offered: int
    taken: int
    dropped: int
    refused: int


class Mailbox(Generic[T]):
    """`size` items at most. `key` is needed by KEEP_LATEST alone. For one event loop; not for threads."""

    def __init__(
        self, name: str, size: int, policy: Policy = Policy.WAIT, key: Callable[[T], Hashable] | None = None
    ) -> None:
        if size < 1 or (policy is Policy.KEEP_LATEST) != (key is not None):
            msg = "a mailbox has room for one item or more, and a key if and only if it keeps the latest of each"
            raise ValueError(msg)
        self.name = name
        self._size = size
        self._policy = policy
        self._key = key
        self._items: deque[T] = deque()
        self._latest: OrderedDict[Hashable, T] = OrderedDict()
        self._putters: deque[tuple[asyncio.Future[None], T]] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._high = self._offered = self._taken = self._dropped = self._refused = 0

    def __len__(self) -> int:
        return len(self._items) or len(self._latest)

    @property
    def statistics(self) -> Statistics:
        return Statistics(
            self.name,
            self._size,
            len(self),
            self._high,
            len(self._putters),
            self._offered,
            self._taken,
            self._dropped,
            self._refused,
        )

    def offer_nowait(self, item: T) -> bool:
        """Put without waiting; false when it was refused (WAIT and full, or closed). Others are never refused."""
        self._offered += 1
        if self._closed or (self._policy is Policy.WAIT and (self._putters or len(self._items) >= self._size)):
            self._refused += 1
            return False
        self._accept(item)
        return True

    async def put(self, item: T) -> None:
        """Put, waiting for room if the policy is WAIT. Raises `Closed`; a cancelled wait puts nothing."""
        if self._closed:
            self._offered += 1
            self._refused += 1
            raise Closed(self.name)
        if self._policy is Policy.WAIT and (self._putters or len(self._items) >= self._size):
            await self._wait_for_room(item)
            return
        self._offered += 1
        self._accept(item)

    async def take(self, limit: int = 1) -> list[T]:
        """Wait for an item, then take all there are, up to `limit`. Empty only when closed and drained."""
        while not len(self):
            if self._closed:
                return []
            await self._wait_for_item()
        return self._pop(limit)

    def close(self) -> None:
        """Take nothing any more: waiting producers get `Closed`, consumers what is left and then empty lists."""
        self._closed = True
        for future, _ in self._putters:
            if not future.done():
                future.set_exception(Closed(self.name))
        for taker in self._takers:
            if not taker.done():
                taker.set_result(None)

    def _accept(self, item: T) -> None:
        if self._key is not None:
            self._accept_latest(self._key(item), item)
        else:
            if len(self._items) >= self._size:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
        depth = len(self._items) or len(self._latest)
        if depth > self._high:
            self._high = depth
        if self._takers:
            self._wake()

    def _accept_latest(self, key: Hashable, item: T) -> None:
        """The key keeps its place in the order, so a busy key does not starve the others."""
        if key in self._latest:
            self._dropped += 1
        elif len(self._latest) >= self._size:
            self._latest.popitem(last=False)
            self._dropped += 1
        self._latest[key] = item

    def _pop(self, limit: int) -> list[T]:
        if self._key is not None:
            taken = [self._latest.pop(key) for key in list(islice(self._latest, limit))]
        elif limit >= len(self._items):
            taken = list(self._items)
            self._items.clear()
        else:
            taken = [self._items.popleft() for _ in range(limit)]
        self._taken += len(taken)
        while self._putters and len(self._items) < self._size:
            future, item = self._putters.popleft()
            if not future.done():  # handed over here, so nobody can take the room of one who waited
                future.set_result(None)
                self._accept(item)
        if len(self):
            self._wake()
        return taken

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    async def _wait_for_room(self, item: T) -> None:
        self._offered += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, item)
        self._putters.append(entry)
        try:
            await future
        except (asyncio.CancelledError, Closed):
            if future.cancelled() or future.exception() is not None:  # else it was handed over just before
                self._refused += 1
            if entry in self._putters:
                self._putters.remove(entry)
            raise

    async def _wait_for_item(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takers.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future in self._takers:
                self._takers.remove(future)
            elif not future.cancelled() and len(self):
                self._wake()  # the call was for this one: pass it on
            raise
