"""A bounded mailbox: many may put, one takes, up to a whole batch at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class MailboxStatistics(NamedTuple):
    """offered = taken + waiting + refused, exactly."""

    waiting: int
    high_water: int
    offered: int
    taken: int
    refused: int


class Mailbox(Generic[T]):
    """First in, first out. When full, `put` waits and `put_nowait` says no and counts it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._high_water = self._offered = self._taken = self._refused = 0

    def put_nowait(self, item: T) -> bool:
        """Put an item; `False` when there is no room."""
        self._offered += 1
        if len(self._items) >= self._size:
            self._refused += 1
            return False
        self._append(item)
        return True

    async def put(self, item: T) -> None:
        """Put an item, waiting for room."""
        while len(self._items) >= self._size:
            self._room.clear()
            await self._room.wait()
        self._offered += 1
        self._append(item)

    async def take(self, limit: int) -> list[T]:
        """All waiting items up to `limit`, at least one."""
        items = self._items
        while not items:
            self._filled.clear()
            await self._filled.wait()
        batch = [items.popleft() for _ in range(min(limit, len(items)))]
        self._taken += len(batch)
        self._room.set()
        return batch

    def __len__(self) -> int:
        return len(self._items)

    @property
    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(len(self._items), self._high_water, self._offered, self._taken, self._refused)

    def _append(self, item: T) -> None:
        self._items.append(item)
        self._high_water = max(self._high_water, len(self._items))
        self._filled.set()
