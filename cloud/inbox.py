"""What the cloud sent, handed over one by one; the answer to the cloud waits for our commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

from cloud.catalog import Catalog, Key, Step
from cloud.messages import Members, Object, TwinUpdate
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.stimuli import Stimulus

logger = logging.getLogger(__name__)

_REMEMBERED = 100
"""Objects whose rejection is remembered; the oldest are forgotten."""


class Change:
    """One thing the cloud asks for. Commit the stimuli and the manifests together, then call `done`."""

    def __init__(
        self, step: Step, catalog: Catalog, settled: asyncio.Future[bool], refuse: Callable[[str], None]
    ) -> None:
        self._step = step
        self._catalog = catalog
        self._settled = settled
        self._refuse = refuse

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        return self._step.stimuli

    @property
    def manifests(self) -> dict[Key, bytes | None]:
        """(kind, `namespace/name`) -> JSON to keep on disk, or `None` to drop it."""
        return self._step.manifests

    def done(self, committed: bool = True, outcome: Outcome | None = None) -> None:
        """It is on disk, and the cloud may be told; or it is not, and the cloud will send it again.

        CloudCore has no word for a refusal: what the `outcome` says stays here, and people are shown it.
        """
        if self._settled.done():
            return
        refused = None if outcome is None else outcome.refused
        if refused is not None and self._step.manifests:
            self._refuse(refused)
        elif committed:
            self._catalog.keep(self._step)
        self._settled.set_result(committed)


class Inbox:
    """Outlives links: a change handed over when its link broke is awaited before the next, and not handed over twice.

    Holds one change; whoever brings the next waits.
    """

    def __init__(self, catalog: Catalog, clock: Clock, boot: int, commit: float) -> None:
        self._catalog = catalog
        self._clock = clock
        self._boot = boot
        self._commit = commit
        self._offered: Mailbox[Change] = Mailbox("cloud.inbox", 1)
        self._settled: asyncio.Future[bool] | None = None
        self._count = 0
        self.rejected = 0
        self.rejections: dict[str, str] = {}
        """Resources that cannot be read as they are now, and why."""

    async def take(self, message: Object | Members | TwinUpdate) -> bool:
        """Hand the message over; true when the cloud may be told that we have it. One caller at a time.

        False when it was not committed within the deadline: the cloud will send it again.
        """
        if self._settled is not None and await self._outcome(self._settled) is None:
            return False
        try:
            step = self._catalog.step(message, f"cloud:{self._boot}:{self._count}", self._clock.now())
        except Rejected as rejected:
            self._note(message, str(rejected))
            logger.warning("%s; left alone, and acknowledged where it would block this node's queue", rejected)
            return True
        if isinstance(message, Object):
            self.rejections.pop(message.resource, None)
        if step is None:
            return True
        self._count += 1
        settled = self._settled = asyncio.get_running_loop().create_future()
        self._offered.offer_nowait(Change(step, self._catalog, settled, partial(self._note, message)))
        return await self._outcome(settled) is True

    async def changes(self) -> AsyncIterator[Change]:
        """Every change, in order; the next comes after `done` of this one."""
        while True:
            (change,) = await self._offered.take(1)
            yield change

    def _note(self, message: Object | Members | TwinUpdate, reason: str) -> None:
        self.rejected += 1
        where = message.resource if isinstance(message, Object) else getattr(message, "device", "membership")
        self.rejections.pop(where, None)
        while len(self.rejections) >= _REMEMBERED:
            del self.rejections[next(iter(self.rejections))]
        self.rejections[where] = reason

    async def _outcome(self, settled: asyncio.Future[bool]) -> bool | None:
        """Whether the change handed over was committed; `None` while that is open after the deadline."""
        finished, _ = await asyncio.wait({settled}, timeout=self._commit)
        if not finished:
            return None
        self._settled = None
        return settled.result()
