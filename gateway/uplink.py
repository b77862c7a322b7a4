"""Keeps the cloud in step: what changed goes up until it is confirmed, what the cloud asks becomes stimuli.

There is no queue of values: a twin knows which of its versions the cloud has confirmed (`Property.synced`), so what is
waiting is the set of devices that have something newer, and the newest value is read when it is sent. That set is
rebuilt from the twins after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Generic, Literal, Protocol, TypeVar

from gateway.committed import Committed
from gateway.core import Core
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Outcome
from twins.stimuli import Applied, Confirmed, Stimulus
from twins.values import Twin

logger = logging.getLogger(__name__)

CLOUD = "cloud"
"""Cause of manifests from the cloud."""
CONFIRMED = "cloud:confirmed"
"""Cause of what a confirmation writes."""
News = tuple[str, Literal["twin", "state"]]
"""A device, and what of it is new to the cloud; with the first cause of that."""
TOGETHER = 20
"""Reports on their way at once."""


class Report(Protocol):
    """One message for the cloud, and the versions its confirmation proves of the twin that joined then."""

    @property
    def device(self) -> str: ...

    @property
    def versions(self) -> Mapping[str, tuple[int, int]]: ...

    @property
    def joined(self) -> int: ...


class Change(Protocol):
    """One thing the cloud asks for: commit it, then say so."""

    @property
    def stimuli(self) -> Sequence[Stimulus]: ...

    @property
    def manifests(self) -> Mapping[tuple[str, str], bytes | None]: ...

    def done(self, committed: bool = True, outcome: Outcome | None = None) -> None: ...


R = TypeVar("R", bound="Report")


class Cloud(Protocol[R]):
    """The peer. `push` returns when it has confirmed; `report` is `None` when it has all it would take."""

    async def run(self) -> None: ...

    async def online(self) -> None: ...

    async def push(self, rows: Sequence[R]) -> None: ...

    def report(self, twin: Twin, cause: str = "") -> R | None: ...

    def changes(self) -> AsyncIterator[Change]: ...

    def state_report(self, twin: Twin, cause: str = "") -> R | None: ...


class Uplink(Generic[R]):
    """Joins the core and a cloud."""

    def __init__(
        self,
        cloud: Cloud[R],
        core: Core,
        clock: Clock,
        learned: Callable[[str, str, bytes | None], None],
    ) -> None:
        self._cloud = cloud
        self._core = core
        self._clock = clock
        self._learned = learned
        self._news: dict[News, str] = {}
        self._wake = asyncio.Event()

    @property
    def pending(self) -> int:
        """Devices with something that the cloud has not confirmed."""
        return len({device for device, _ in self._news})

    def tell(self, committed: Committed) -> None:
        """Note which devices have news for the cloud, and take up the manifests that it sent."""
        for applied in committed.applied:
            if applied.cause == CLOUD:
                self._learned(applied.kind, applied.name, applied.body)
        for device, cause in committed.changed.items():
            self._news.setdefault((device, "twin"), cause)
        for status in committed.statuses:
            self._news.setdefault((status.device, "state"), status.cause)
        if self._news:
            self._wake.set()

    async def run(self) -> None:
        for twin in self._core.twins:
            if any(p.unsynced for p in twin.properties.values()):
                self._news.setdefault((twin.device, "twin"), "restart")
            if twin.status:
                self._news.setdefault((twin.device, "state"), "restart")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cloud.run(), name="cloud.link")
            group.create_task(self._up(), name="cloud.up")
            group.create_task(self._down(), name="cloud.down")

    async def _up(self) -> None:
        backoff = Backoff(first=0.2, limit=5.0)
        self._wake.set()
        while True:
            await self._cloud.online()
            await self._wake.wait()
            self._wake.clear()
            while self._news:
                try:
                    await self._push()
                    backoff.reset()
                except Unavailable as error:
                    logger.info("the cloud has not confirmed: %s; it is sent again", error)
                    self._wake.set()
                    await self._clock.sleep(backoff.next())
                    break

    async def _push(self) -> None:
        """Send some of the news; what the cloud does not confirm stays noted."""
        taken = dict(islice(self._news.items(), TOGETHER))
        rows: dict[News, R] = {}
        for news, cause in taken.items():
            del self._news[news]
            row = self._row(news, cause)
            if row is not None:
                rows[news] = row
        if not rows:
            return
        silent: Sequence[object] = tuple(rows.values())
        try:
            await self._cloud.push(tuple(rows.values()))
            silent = ()
        except Unavailable as error:
            silent = getattr(error, "reports", silent)  # a link that lives names those that got no answer
            raise
        finally:
            unanswered = set(map(id, silent))
            for news, row in rows.items():
                if id(row) in unanswered:
                    self._news.setdefault(news, taken[news])
            await self._confirm([row for row in rows.values() if id(row) not in unanswered])

    async def _confirm(self, rows: Sequence[R]) -> None:
        now = self._clock.now()
        proofs = [row for row in rows if row.versions]
        confirmed = [Confirmed(row.device, CONFIRMED, now, dict(row.versions), row.joined) for row in proofs]
        if confirmed:
            with suppress(TimeoutError):  # they are taken, only late; what a crash loses is sent again
                await self._core.ask(*confirmed)  # not before it counts, else the same is sent twice

    def _row(self, news: News, cause: str) -> R | None:
        device, kind = news
        twin = self._core.twins.get(device)
        if twin is None:
            return None
        return self._cloud.report(twin, cause) if kind == "twin" else self._cloud.state_report(twin, cause)

    async def _down(self) -> None:
        async for change in self._cloud.changes():
            now = self._clock.now()
            applied = [Applied("", CLOUD, now, k, name, body) for (k, name), body in change.manifests.items()]
            try:
                outcome: Outcome = await self._core.ask(*applied, *change.stimuli, within=30.0)
            except TimeoutError:
                change.done(False)
                continue
            if outcome.refused is not None:
                logger.warning("what the cloud asks is refused: %s", outcome.refused)
            change.done(outcome=outcome)
