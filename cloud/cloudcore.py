"""The cloud, as the gateway sees it: a KubeEdge CloudCore, joined, connected, and reconnected for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec
from msgspec import Struct

from cloud import sync
from cloud.budget import Budget
from cloud.catalog import Catalog, Key
from cloud.config import CloudCoreConfig
from cloud.frames import MAX_FRAME
from cloud.identity import Identity
from cloud.inbox import Change, Inbox
from cloud.link import Counters, Link
from cloud.sync import Report
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.values import Twin

logger = logging.getLogger(__name__)

Phase = Literal["joining", "connecting", "online", "offline"]
_STEADY = 10.0
"""A link that held this many seconds was good: the next failure starts with short delays again."""
_NAP = 3600.0
"""The renewal looks at the wall clock at least this often, as that clock may be set."""


class CloudState(Struct, frozen=True):
    """How it stands with the cloud; times in microseconds UTC."""

    phase: Phase
    reason: str
    since: int
    counters: Counters
    devices: int
    pending: tuple[str, ...]
    """Devices that wait for their model."""
    undeclared: dict[str, tuple[str, ...]]
    """Per device the properties that the cloud would drop, so they stay here."""
    rejected: int
    """Objects from the cloud that could not be read."""
    renew_at: int | None


class CloudCore:
    """Implements the port `Cloud`: `push`, `changes`, `run`. `manifests` are those found on disk."""

    def __init__(
        self,
        config: CloudCoreConfig,
        identity: Identity,
        clock: Clock,
        *,
        manifests: Mapping[Key, bytes] | None = None,
        boot: int = 0,
    ) -> None:
        self._config = config
        self._identity = identity
        self._clock = clock
        self._catalog = Catalog(manifests or {})
        self._inbox = Inbox(self._catalog, clock, boot, config.commit)
        self._budget = Budget(config.rate, config.burst, clock)
        self._counters = Counters()
        self._undeclared: dict[str, tuple[str, ...]] = {}
        self._link: Link | None = None
        self._online = asyncio.Event()
        self._joined = asyncio.Event()
        self._part = random.random()
        self._phase: Phase = "offline"
        self._reason = "not started"
        self._since = clock.now()
        self._told = ""

    async def run(self) -> None:
        """Stay in touch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay(), name="cloud-connection")
            tasks.create_task(self._renew(), name="cloud-renewal")

    async def push(self, rows: Sequence[Report]) -> None:
        """Return when the cloud has confirmed all of them; raises `Unavailable`, or its kin `Unanswered`.

        After an error any of them may or may not have arrived: sending again is harmless, the last value wins.
        """
        link = self._link
        if link is None:
            reason = f"no link to the cloud: {self._reason}"
            raise Unavailable(reason)
        if rows:
            await link.push(rows)

    def changes(self) -> AsyncIterator[Change]:
        """What the cloud asks for, in order; one reader. Call `done` of each after its commit."""
        return self._inbox.changes()

    def report(self, twin: Twin, cause: str = "") -> Report | None:
        """What the cloud must hear of this twin; `None` when it has all that it would take."""
        declared = self._catalog.declared(twin.device)
        left_out = sync.undeclared(twin, declared)
        if left_out:
            self._undeclared[twin.device] = left_out
        else:
            self._undeclared.pop(twin.device, None)
        return sync.report(twin, declared, self._clock.now(), cause)

    def state_report(self, twin: Twin, cause: str = "") -> Report | None:
        """The device's state; `None` when it has none, or the cloud does not know the device."""
        if not self._catalog.knows(twin.device):
            return None
        return sync.state_report(twin, self._clock.now(), cause)

    async def online(self) -> None:
        """Return when there is a link."""
        await self._online.wait()

    @property
    def state(self) -> CloudState:
        validity = self._identity.valid
        return CloudState(
            phase=self._phase,
            reason=self._reason,
            since=self._since,
            counters=msgspec.structs.replace(self._counters),
            devices=self._catalog.devices,
            pending=self._catalog.pending,
            undeclared={k: v for k, v in self._undeclared.items() if self._catalog.knows(k)},
            rejected=self._inbox.rejected,
            renew_at=validity.due(self._part) if validity else None,
        )

    async def _stay(self) -> None:
        backoff = Backoff(self._config.backoff_first, self._config.backoff_limit)
        while True:
            started = self._clock.monotonic()
            try:
                reason = await self._serve()
            except (Rejected, Unavailable) as error:
                reason = str(error)
            if self._clock.monotonic() - started > _STEADY:
                backoff.reset()
            self._turn("offline", reason)
            await self._clock.sleep(backoff.next())

    async def _serve(self) -> str:
        """Join if need be, connect, serve; why it ended."""
        if self._identity.load() is None:
            self._turn("joining", f"asking {self._config.certificates_url} for a certificate")
            await self._identity.join(self._config.certificates_url, await asyncio.to_thread(self._token))
        self._joined.set()
        self._turn("connecting", self._config.url)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._config.connect)) as http:
            socket = await self._connect(http)
            link = Link(
                socket, self._identity.node, self._config, self._clock, self._budget, self._inbox.take, self._counters
            )
            self._link = link
            self._counters.links += 1
            self._turn("online", self._config.url)
            try:
                return await link.run()
            finally:
                self._link = None

    async def _connect(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        node, project = self._identity.node, self._config.project
        url = f"{self._config.url.rstrip('/')}/{project}/{node}/events"
        headers = {"node_id": node, "project_id": project, "ConnectionUse": "msg"}
        try:
            return await http.ws_connect(
                url,
                ssl=self._identity.context(verify_hostname=self._config.verify_hostname),
                headers=headers,
                max_msg_size=MAX_FRAME,
                # Websocket pings find a half-open link; CloudHub's library answers them by itself.
                heartbeat=self._config.heartbeat,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            reason = f"cannot connect to {self._config.url}: {cause or type(error).__name__}"
            raise Unavailable(reason) from error

    async def _renew(self) -> None:
        """Renew the certificate in time, and put the link on the new one."""
        backoff = Backoff(first=2.0, limit=32.0)
        while True:
            await self._joined.wait()
            validity = self._identity.valid
            wait = validity.due(self._part) - self._clock.now() if validity else 0
            if wait > 0:
                await self._clock.sleep(min(wait / 1e6, _NAP))
                continue
            try:
                await self._identity.renew(self._config.certificates_url)
            except (Rejected, Unavailable) as error:
                logger.warning("the certificate could not be renewed: %s", error)
                await self._clock.sleep(backoff.next())
                continue
            backoff.reset()
            logger.info("certificate renewed")
            if self._link is not None:
                await self._link.close("the certificate was renewed")
            await self._clock.sleep(_NAP)  # with a clock that runs far ahead every certificate looks old

    def _token(self) -> str:
        if not self._config.token_file:
            reason = "there is no certificate yet and no token to get one: set cloud.token_file"
            raise Rejected(reason)
        try:
            return Path(self._config.token_file).read_text()
        except OSError as error:
            reason = f"the token cannot be read: {error}; put it there, or mend cloud.token_file"
            raise Rejected(reason) from error

    def _turn(self, phase: Phase, reason: str) -> None:
        if phase == "online":
            logger.info("cloud online: %s", reason)
            self._told = ""
        elif phase == "offline" and reason != self._told:  # once per reason, not once per attempt
            logger.warning("cloud offline: %s", reason)
            self._told = reason
        if phase != self._phase:
            self._since = self._clock.now()
        self._phase, self._reason = phase, reason
        if phase == "online":
            self._online.set()
        else:
            self._online.clear()
