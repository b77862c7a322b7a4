"""A gate: many go through at a time, until somebody shuts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Open at first."""

    def __init__(self) -> None:
        self._inside = 0
        self._shut = False
        self._moved = asyncio.Condition()

    @asynccontextmanager
    async def through(self) -> AsyncIterator[None]:
        """Wait while it is shut; inside the block it stays open."""
        async with self._moved:
            await self._moved.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            await self._tell()

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Let nobody in any more, wait until nobody is inside; open again after the block. One caller at a time."""
        async with self._moved:
            self._shut = True
        try:
            async with self._moved:
                await self._moved.wait_for(lambda: not self._inside)
            yield
        finally:
            self._shut = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()
