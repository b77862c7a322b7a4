"""Messages for the cloud that are rows on disk: carried up in order, deleted when the cloud has them.

A row is written with the commit that it tells of. What a crash interrupts between the cloud's answer and the deletion
goes up again, with the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from gateway.backlog import Backlog, Message
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import OutboxRow, Outcome
from twins.stimuli import Queued, Stimulus

logger = logging.getLogger(__name__)

TOGETHER = 20
"""Messages on their way at once."""
FORGOTTEN = "outbox:forgotten"
"""Cause of a deletion."""
_body = msgspec.msgpack.Decoder(Message)


class Post(Protocol):
    """Who carries messages to the cloud; `upload` returns when it has them all, or raises `Unavailable`."""

    async def online(self) -> None: ...

    async def upload(self, messages: Sequence[Message]) -> None: ...


class Store(Protocol):
    """Where rows are deleted."""

    async def ask(self, *stimuli: Stimulus, within: float = 10.0) -> Outcome: ...


class Carried(Struct):
    """queued = forwarded + dropped + those that wait."""

    queued: int = 0
    forwarded: int = 0
    dropped: int = 0


class Outbox:
    """What waits is in `backlog`, which has the quota; `counts` grow."""

    def __init__(self, store: Store, clock: Clock, counts: Carried) -> None:
        self.backlog = Backlog()
        self.counts = counts
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._litter = asyncio.Event()

    def keep(self, rows: Iterable[OutboxRow]) -> None:
        """These are on disk, in this order."""
        for each in rows:
            self.counts.queued += self.backlog.add(each.key, _body.decode(each.body))
            self._wake.set()
        if self.counts.dropped < self.backlog.dropped:
            self.counts.dropped = self.backlog.dropped
            self._litter.set()

    async def run(self, post: Post) -> None:
        """Carry them up until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forward(post), name="outbox.up")
            group.create_task(self._forget(), name="outbox.forget")

    async def _forward(self, post: Post) -> None:
        backoff = Backoff(first=0.2, limit=5.0)
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await post.online()
            while batch := self.backlog.first(TOGETHER):
                try:
                    await post.upload(list(batch.values()))
                except Unavailable as error:
                    logger.info("the cloud has not taken messages: %s; they are sent again", error)
                    self._wake.set()
                    await self._clock.sleep(backoff.next())
                    break
                backoff.reset()
                self.counts.forwarded += self.backlog.remove(batch)
                self._litter.set()

    async def _forget(self) -> None:
        """Delete on disk what the cloud has, or what had to go."""
        while True:
            await self._litter.wait()
            self._litter.clear()
            rows: Mapping[str, OutboxRow | None] = dict.fromkeys(self.backlog.gone())
            if not rows:
                continue
            with suppress(TimeoutError):  # it is taken, only late; what a crash loses is sent again
                await self._store.ask(Queued("", FORGOTTEN, self._clock.now(), dict(rows)))


def row(key: str, kind: Literal["event", "message"], message: Message, cause: str) -> OutboxRow:
    """A message as it is kept."""
    return OutboxRow(key, kind, "", 0, msgspec.msgpack.encode(message), cause)
