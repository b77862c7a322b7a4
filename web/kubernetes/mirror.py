"""The objects of the gateway with versions: what changed is read when somebody asks, however often it changed."""

from __future__ import annotations

import asyncio

from web.kubernetes.history import History, Versions
from web.kubernetes.ports import Objects
from web.kubernetes.resources import RESOURCES

SLICE = 32
"""Objects read at once; between two slices messages of devices get their turn."""


class Mirror:
    """`first` is the version at the start: higher than all of earlier starts, whose versions so are expired."""

    def __init__(self, objects: Objects, first: int) -> None:
        versions = Versions(first)
        self.closed = False
        self._objects = objects
        self._histories = {each.kind: History(versions) for each in RESOURCES}
        self._stale: dict[str, dict[str, None]] = {each.kind: {} for each in RESOURCES}
        self._bells: dict[str, asyncio.Event] = {each.kind: asyncio.Event() for each in RESOURCES}
        self._reading = asyncio.Lock()

    def begin(self) -> None:
        """Take up what there is now: before this, nothing that was touched is known."""
        self.closed = False
        for kind, history in self._histories.items():
            self._stale[kind] |= dict.fromkeys([*self._objects.names(kind), *history.entries])

    def touch(self, kind: str, name: str) -> None:
        """This object may be another now, or new, or gone."""
        self._stale[kind][name] = None
        self._ring(kind)

    async def fresh(self, kind: str) -> History:
        """The objects of a kind as they are now."""
        history, stale = self._histories[kind], self._stale[kind]
        async with self._reading:
            for count in range(len(stale)):  # what is touched meanwhile is for the next who asks
                if not stale:
                    break
                name = next(iter(stale))
                del stale[name]
                history.put(name, self._objects.read(kind, name))
                if count % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        return history

    async def stirred(self, kind: str, version: int) -> None:
        """Return when something of a kind may be newer than `version`, or the mirror is closed."""
        while not self.closed and not self._stale[kind] and not self._histories[kind].newest > version:
            await self._bells[kind].wait()

    def close(self) -> None:
        """No more: whoever follows is to end."""
        self.closed = True
        for kind in self._bells:
            self._ring(kind)

    def _ring(self, kind: str) -> None:
        bell, self._bells[kind] = self._bells[kind], asyncio.Event()
        bell.set()
