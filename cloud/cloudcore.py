"""The cloud, as the gateway sees it: a KubeEdge CloudCore, joined, connected, and reconnected for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from cloud import sync
from cloud.catalog import Catalog, Key
from cloud.config import CloudCoreConfig
from cloud.identity import Identity
from cloud.inbox import Change, Inbox
from cloud.line import Line
from cloud.link import Route
from cloud.node import Facts
from cloud.registration import Registration
from cloud.rivalry import accusation
from cloud.standing import Standing
from cloud.state import CloudState, Counters
from cloud.sync import Report
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.values import Twin

logger = logging.getLogger(__name__)

_STEADY = 10.0
"""A link that held this many seconds was good: the next failure starts with short delays again."""
_NAP = 3600.0
"""The renewal looks at the wall clock at least this often, as that clock may be set."""


def _nobody(_: object) -> None:
    """Nobody wants to hear of it."""


class CloudCore:
    """Implements the ports `Cloud` and `Post`. `manifests` are those found on disk.

    `route` takes what the rule router wants; `warn` is told, in words, what a person has to mend.
    With `node` this gateway is made a Node of the cluster.
    """

    def __init__(
        self,
        config: CloudCoreConfig,
        identity: Identity,
        clock: Clock,
        *,
        manifests: Mapping[Key, bytes] | None = None,
        boot: int = 0,
        route: Route = _nobody,
        warn: Callable[[str], None] = _nobody,
        node: Facts | None = None,
    ) -> None:
        self._config = config
        self._identity = identity
        self._clock = clock
        self._catalog = Catalog(manifests or {}, identity.node)
        self._inbox = Inbox(self._catalog, clock, boot, config.commit)
        self._counters = Counters()
        self._registration = Registration(node, clock)
        take, registration = self._inbox.take, self._registration
        self._line = Line(config, identity, clock, take, route, registration, self._counters)
        self._warn = warn
        self._standing = Standing(clock)
        self._joined = asyncio.Event()
        self._part = random.random()

    async def run(self) -> None:
        """Stay in touch until cancelled."""
        async with self._line, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay(), name="cloud-connection")
            tasks.create_task(self._renew(), name="cloud-renewal")

    async def push(self, rows: Sequence[Report]) -> None:
        """Return when the cloud has confirmed all of them; raises `Unavailable`, or its kin `Unanswered`.

        After an error any of them may or may not have arrived: sending again is harmless, the last value wins.
        """
        self._check_online()
        if rows:
            await self._line.push(rows)

    async def upload(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Return when the cloud has read these custom messages (topic, payload), in order; raises `Unavailable`.

        After an error any of them may have arrived: sent again, the cloud's rules see some twice.
        """
        self._check_online()
        await self._line.upload(messages)

    def changes(self) -> AsyncIterator[Change]:
        """What the cloud asks for, in order; one reader. Call `done` of each after its commit."""
        return self._inbox.changes()

    def report(self, twin: Twin, cause: str = "") -> Report | None:
        """What the cloud must hear of this twin; `None` when it has all that it would take."""
        declared = self._catalog.declared(twin.device)
        self._catalog.note(twin.device, sync.undeclared(twin, declared))
        return sync.report(twin, declared, self._clock.now(), cause)

    def state_report(self, twin: Twin, cause: str = "") -> Report | None:
        """The device's state; `None` when it has none, or the cloud does not know the device."""
        if not self._catalog.knows(twin.device):
            return None
        return sync.state_report(twin, self._clock.now(), cause)

    def forget(self, kind: str, name: str) -> None:
        """The object was deleted here, whatever the cloud has: what it says of it next is news."""
        self._catalog.forget(kind, name)

    async def online(self) -> None:
        """Return when there is a link."""
        await self._standing.online()

    @property
    def state(self) -> CloudState:
        validity = self._identity.valid
        return CloudState(
            phase=self._standing.phase,
            reason=self._standing.reason,
            since=self._standing.since,
            counters=msgspec.structs.replace(self._counters),
            devices=self._catalog.devices,
            pending=self._catalog.pending,
            undeclared=dict(self._catalog.undeclared),
            rejected=self._inbox.rejected,
            renew_at=validity.due(self._part) if validity else None,
            valid=validity,
            rejections=dict(self._inbox.rejections),
            ignored=self._catalog.past.ignored,
            older={f"{kind} {name}": one for (kind, name), one in self._catalog.past.older.items()},
            rival=self._line.rivalry.suspected,
            node=self._registration.state,
        )

    async def _stay(self) -> None:
        backoff = Backoff(self._config.backoff_first, self._config.backoff_limit)
        while True:
            started = self._clock.monotonic()
            try:
                reason = await self._serve()
            except (Rejected, Unavailable) as error:
                reason = str(error)
            if self._line.rivalry.suspected:
                await self._give_way()
                continue
            if self._clock.monotonic() - started > _STEADY:
                backoff.reset()
            self._standing.turn("offline", reason)
            await self._clock.sleep(backoff.next())

    async def _serve(self) -> str:
        """Join if need be, connect, serve; why it ended."""
        if self._identity.load() is None:
            self._standing.turn("joining", f"asking {self._config.certificates_url} for a certificate")
            await self._join()
        self._joined.set()
        self._standing.turn("connecting", self._config.url)
        return await self._line.serve(lambda: self._standing.turn("online", self._config.url))

    async def _give_way(self) -> None:
        """Leave the link to the other node for a while: two that fight starve both, and people have to mend it."""
        reason = accusation(self._identity.node)
        self._standing.turn("offline", reason)
        self._warn(reason)
        await self._clock.sleep(self._line.rivalry.truce * (0.5 + random.random()))

    async def _renew(self) -> None:
        """Renew the certificate in time, and put the line on the new one."""
        while True:
            await self._joined.wait()
            validity = self._identity.valid
            wait = validity.due(self._part) - self._clock.now() if validity else 0
            if wait > 0:
                await self._clock.sleep(min(wait / 1e6, _NAP))
                continue
            await self._insist(self._next_certificate)
            await self._insist(self._line.move)
            if (valid := self._identity.valid) and valid.due(self._part) <= self._clock.now():
                await self._clock.sleep(_NAP)  # with a clock that runs far ahead every certificate looks old

    async def _next_certificate(self) -> None:
        """Vouched for by the present one; when that has expired before it was renewed, only a token helps."""
        if self._identity.load() is None:
            await self._join()
        else:
            await self._identity.renew(self._config.certificates_url)
        logger.info("certificate renewed")

    async def _join(self) -> None:
        await self._identity.join(self._config.certificates_url, await asyncio.to_thread(self._token))

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Try until it works out."""
        backoff = Backoff(first=2.0, limit=32.0)
        while True:
            try:
                return await step()
            except (Rejected, Unavailable) as error:
                logger.warning("the certificate is not renewed, or not in use yet: %s", error)
                await self._clock.sleep(backoff.next())

    def _check_online(self) -> None:
        if self._standing.phase != "online":
            reason = f"no link to the cloud: {self._standing.reason}"
            raise Unavailable(reason)

    def _token(self) -> str:
        if not self._config.token_file:
            reason = "there is no certificate yet and no token to get one: set cloud.token_file"
            raise Rejected(reason)
        try:
            return Path(self._config.token_file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = f"the token cannot be read: {error}; put it there, or mend cloud.token_file"
            raise Rejected(reason) from error
