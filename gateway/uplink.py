"""Keeps the cloud in step: what changed goes up until it is confirmed, what the cloud asks becomes stimuli.

There is no queue of values: a twin knows which of its versions the cloud has confirmed (`Property.synced`), so what is
waiting is the set of devices that have something newer, and the newest value is read when it is sent. That set is
rebuilt from the twins after a restart. Each device is sent and waited for by itself: one that the cloud does not answer
holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from gateway.committed import Committed
from gateway.core import Core
from gateway.dispatch import Dispatch, News, Silence
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
TOGETHER = 50
"""Devices with a report on its way at once: as many as KubeEdge's rate takes at a round trip of two seconds."""


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
    """The peer. `push` returns when it has confirmed; `report` is `None` when it has all it would take.

    `push` is called for many devices at once. An `Unavailable` with `reports` tells that it only did not confirm those,
    and that the link lives.
    """

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
    ) -> None:
        self._cloud = cloud
        self._core = core
        self._clock = clock
        self._dispatch = Dispatch(TOGETHER)
        self._wake = asyncio.Event()
        self._broken = False
        self._confirmed = 0

    @property
    def pending(self) -> int:
        """Devices with something that the cloud has not confirmed."""
        return len(self._dispatch)

    @property
    def silences(self) -> tuple[Silence, ...]:
        """Devices that the cloud does not answer."""
        return self._dispatch.silences

    def tell(self, committed: Committed) -> None:
        """Note which devices have news for the cloud."""
        for applied in committed.applied:
            if applied.kind == "Device":
                (self._dispatch.forget if applied.body is None else self._dispatch.forgive)(applied.name)
        for device, cause in committed.changed.items():
            self._dispatch.add(device, "twin", cause)
        for status in committed.statuses:
            self._dispatch.add(status.device, "state", status.cause)
        self._wake.set()

    async def run(self) -> None:
        for twin in self._core.twins:
            if any(p.unsynced for p in twin.properties.values()):
                self._dispatch.add(twin.device, "twin", "restart")
            if twin.status:
                self._dispatch.repeat(twin.device, "restart")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cloud.run(), name="cloud.link")
            group.create_task(self._up(), name="cloud.up")
            group.create_task(self._down(), name="cloud.down")

    async def _up(self) -> None:
        backoff = Backoff(first=0.2, limit=5.0)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._cloud.online()
                if self._broken:
                    self._broken = False
                    await self._clock.sleep(backoff.next())
                    continue
                confirmed = self._confirmed
                news = await self._next()
                if self._confirmed > confirmed:
                    backoff.reset()
                row = self._row(news)
                if row is None:
                    self._dispatch.done(news, settled=self._core.twins.get(news.device) is None)
                    await asyncio.sleep(0)  # there may be thousands of them
                else:
                    group.create_task(self._send(news, row), name="cloud.report")

    async def _next(self) -> News:
        """The next thing to say, as soon as there is one and room for it on the way."""
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            news = self._dispatch.take(now)
            if news is not None:
                return news
            due = self._dispatch.due
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.01, due - now)):
                    await self._wake.wait()

    async def _send(self, news: News, row: R) -> None:
        """Send one report, for as long as it takes; what the cloud does not confirm stays noted."""
        confirmed = self._confirmed
        try:
            await self._cloud.push((row,))
        except Unavailable as error:
            if hasattr(error, "reports"):  # the link lives
                alone, now = self._confirmed > confirmed, self._clock.monotonic()
                silence = self._dispatch.silent(news, now, self._clock.now(), str(error), alone=alone)
                if silence.attempts == 1:
                    logger.info("the cloud does not answer for %s: %s", news.device, error)
            else:
                self._broken = True
                self._dispatch.back(news)
        else:
            self._confirmed += 1
            await self._confirm(row)
            self._dispatch.done(news, settled=True)
        self._wake.set()

    async def _confirm(self, row: R) -> None:
        if row.versions:
            proof = Confirmed(row.device, CONFIRMED, self._clock.now(), dict(row.versions), row.joined)
            with suppress(TimeoutError):  # it is taken, only late; what a crash loses is sent again
                await self._core.ask(proof)  # not before it counts, else the same is sent twice

    def _row(self, news: News) -> R | None:
        twin = self._core.twins.get(news.device)
        if twin is None:
            return None
        make = self._cloud.report if news.kind == "twin" else self._cloud.state_report
        return make(twin, news.cause)

    async def _down(self) -> None:
        async for change in self._cloud.changes():
            now = self._clock.now()
            devices = {stimulus.device for stimulus in change.stimuli if stimulus.device}
            unknown = {device for device in devices if not self._tells_state(device)}
            applied = [Applied("", CLOUD, now, k, name, body) for (k, name), body in change.manifests.items()]
            try:
                outcome: Outcome = await self._core.ask(*applied, *change.stimuli, within=30.0)
            except TimeoutError:
                change.done(False)
                continue
            if outcome.refused is not None:
                logger.warning("what the cloud asks is refused: %s", outcome.refused)
            change.done(outcome=outcome)
            for device in devices:  # only from here on does the cloud take all that it declares
                self._dispatch.add(device, "twin", CLOUD)
                if device in unknown:
                    self._dispatch.add(device, "state", CLOUD)
            self._wake.set()

    def _tells_state(self, device: str) -> bool:
        twin = self._core.twins.get(device)
        return twin is not None and self._cloud.state_report(twin) is not None
