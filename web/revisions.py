"""Which keys changed since when: what makes a live stream conflated without a queue.

Every touch gives a key the next revision. Whoever follows remembers one number and asks what came after it: a slow
follower gets the newest state of each key once, however often it changed. Memory is one entry a key, not one a change.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class Revisions:
    """Revisions of keys. Owned by one event loop; keys are the caller's (`device:default/pump-1`)."""

    def __init__(self) -> None:
        self._revision = 1
        self._last: OrderedDict[str, int] = OrderedDict()
        self._dropped = 0
        self._bell: asyncio.Event | None = None

    @property
    def number(self) -> int:
        """The newest revision, 1 at the start: a follower that has seen nothing asks from 0."""
        return self._revision

    def touch(self, *keys: str) -> None:
        """These keys changed."""
        for key in keys:
            self._revision += 1
            self._last[key] = self._revision
            self._last.move_to_end(key)
        self._ring()

    def drop(self, key: str) -> None:
        """This key is gone."""
        if self._last.pop(key, None) is not None:
            self._revision += 1
            self._dropped = self._revision
            self._ring()

    def since(self, revision: int) -> list[str]:
        """Keys that changed after `revision`, in the order of their last change. Costs only what it returns."""
        found = []
        for key in reversed(self._last):
            if self._last[key] <= revision:
                break
            found.append(key)
        found.reverse()
        return found

    def dropped(self, revision: int) -> bool:
        """True if any key went after `revision`: then the follower needs to hear who is left."""
        return self._dropped > revision

    async def changed(self, revision: int) -> None:
        """Wait until something happened after `revision`."""
        while self._revision <= revision:
            if self._bell is None:
                self._bell = asyncio.Event()
            await self._bell.wait()

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.set()
            self._bell = None
