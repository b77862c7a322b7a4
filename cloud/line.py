"""The line to CloudHub: one link after the other, where the next may be there before the last is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType

import aiohttp

from cloud.budget import Budget
from cloud.config import CloudCoreConfig
from cloud.frames import MAX_FRAME
from cloud.gate import Gate
from cloud.identity import Identity
from cloud.link import Link, Route, Take
from cloud.registration import Registration
from cloud.rivalry import Rivalry
from cloud.state import Counters
from cloud.sync import Report
from runtime.clock import Clock
from twins.errors import Unavailable

_SETTLED = 1.0
"""Seconds. CloudHub (v1.23) looks a session up by its node when a connection breaks: at times the end of the older of
two links ends the newer too, at once."""


class Line:
    """`async with line`: `serve` makes the first link of a row, `move` the next; `rivalry` hears how they end."""

    def __init__(
        self,
        config: CloudCoreConfig,
        identity: Identity,
        clock: Clock,
        take: Take,
        route: Route,
        registration: Registration,
        counters: Counters,
    ) -> None:
        self.rivalry = Rivalry()
        self._config = config
        self._identity = identity
        self._clock = clock
        self._take = take
        self._route = route
        self._registration = registration
        self._counters = counters
        self._budget = Budget(config.rate, config.burst, clock)
        self._gate = Gate()
        self._link: Link | None = None
        self._next: asyncio.Future[Link | None] | None = None
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Line:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._config.connect))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        coming = self._next
        if coming is not None and coming.done() and (left := coming.result()) is not None:
            await left.close("stopped")  # it was made, and the end came before it was served
        await self._http.close()

    async def push(self, rows: Sequence[Report]) -> None:
        """As `Link.push`."""
        async with self._gate.through():
            await self._linked().push(rows)

    async def upload(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """As `Link.upload`."""
        async with self._gate.through():
            await self._linked().upload(messages)

    async def serve(self, online: Callable[[], None]) -> str:
        """Connect, say `online`, and serve until no link is left; why the last ended. Raises `Unavailable`."""
        link: Link | None = await self._connected()
        online()
        reason = ""
        try:
            moved = False
            while link is not None:
                self._link, began = link, self._clock.monotonic()
                reason = await link.run()
                ended, link = link, await self._successor()
                if link is None and moved and self._clock.monotonic() - began < _SETTLED:
                    link, moved = await self._connected(), False
                else:
                    moved = link is not None
            self.rivalry.ended(self._clock.monotonic() - began, dropped=ended.dropped)
        finally:
            self._link = None
        return reason

    async def move(self) -> None:
        """Put the line on a new connection, made with the certificate as it is now. Raises `Unavailable`.

        CloudHub closes the older of two links of a node, and forgets what it had still to say there. So nothing is on
        its way meanwhile: who pushes waits. When the new one cannot be made, the old one goes on.
        """
        async with self._gate.shut():
            old = self._link
            if old is None:
                return  # the next connection has it anyway
            coming = self._next = asyncio.get_running_loop().create_future()
            link: Link | None = None
            try:
                link = await self._connected()
            finally:
                coming.set_result(link)
                if link is None and self._next is coming:
                    self._next = None
            self._link = link
            await old.close("another link took its place")

    def _linked(self) -> Link:
        if self._link is None:
            raise Unavailable("there is no link to the cloud")
        return self._link

    async def _successor(self) -> Link | None:
        """The link that takes the place of one that ended, `None` when there is none."""
        coming = self._next
        if coming is None:
            return None
        await asyncio.wait({coming})  # who is cancelled here leaves it as it is, and it is closed at the end
        if self._next is coming:
            self._next = None
        return coming.result()

    async def _connected(self) -> Link:
        node, project, config = self._identity.node, self._config.project, self._config
        try:
            socket = await self._http.ws_connect(
                f"{config.url.rstrip('/')}/{project}/{node}/events",
                ssl=self._identity.context(verify_hostname=config.verify_hostname),
                headers={"node_id": node, "project_id": project, "ConnectionUse": "msg"},
                max_msg_size=MAX_FRAME,
                # Websocket pings find a half-open link; CloudHub's library answers them by itself.
                heartbeat=config.heartbeat,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.rivalry.refused()
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            reason = f"cannot connect to {config.url}: {cause or type(error).__name__}"
            raise Unavailable(reason) from error
        self._counters.links += 1
        return Link(
            socket,
            node,
            config,
            self._clock,
            self._budget,
            self._take,
            self._route,
            self._registration,
            self._counters,
        )
