"""One node's link: a queue of objects to acknowledge, one in flight, and messages that nobody acknowledges."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp
from aiohttp import web
from msgspec import Struct

from simulator.cloudcore.faults import Faults
from simulator.cloudcore.messages import Json, encode
from simulator.cloudcore.options import Options

logger = logging.getLogger(__name__)

_TELLS = 1024
"""Unacknowledged messages waiting for the wire; beyond, the newest is dropped, as these are fire-and-forget."""

_GATHERING = 0.05
"""Seconds in which messages gather that are to be sent in another order."""


class Delivery(Struct):
    """An object on its way; the queue keeps the newest of each uid."""

    uid: str
    version: int
    delete: bool
    message: Json


class Session:
    """Lives as long as its websocket. `heard` is called with each message, `acked` with each delivered object."""

    def __init__(
        self,
        node: str,
        request: web.Request,
        options: Options,
        faults: Faults,
        heard: Callable[[Session, Json], None],
        acked: Callable[[str, Delivery], None],
    ) -> None:
        self.node = node
        self._request = request
        self._options = options
        self._faults = faults
        self._heard = heard
        self._acked = acked
        self._socket = web.WebSocketResponse(max_msg_size=16 << 20, autoping=False)
        self._queue: dict[str, Delivery] = {}
        self._flying = ""
        self._filled = asyncio.Event()
        self._tells: asyncio.Queue[Json] = asyncio.Queue(_TELLS)
        self._waiting: tuple[str, asyncio.Future[None]] | None = None
        self._alive = time.monotonic()
        self.goodbye = False
        """The node closed the link in order."""

    def deliver(self, item: Delivery) -> None:
        """Queue an object: of one uid the newest stays, and a deletion always wins."""
        waiting = self._queue.get(item.uid)
        if waiting is not None and not item.delete and (waiting.delete or waiting.version > item.version):
            return
        self._queue[item.uid] = item
        self._filled.set()

    def holds(self, uid: str) -> bool:
        return uid in self._queue or uid == self._flying

    def tell(self, message: Json) -> None:
        """Send without acknowledgement."""
        try:
            self._tells.put_nowait(message)
        except asyncio.QueueFull:
            logger.warning("node %s reads too slowly: a message for it is dropped", self.node)

    def keep_alive(self) -> None:
        self._alive = time.monotonic()

    def answered(self, parent: str) -> bool:
        """The edge acknowledged message `parent`; false when that is not the one in flight."""
        if self._waiting is None or self._waiting[0] != parent or self._waiting[1].done():
            return False
        self._waiting[1].set_result(None)
        return True

    def abort(self) -> None:
        """Cut the TCP connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def close(self, reason: str) -> None:
        """Say goodbye on the websocket; never waits longer than a second."""
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close(message=reason.encode())
        except (TimeoutError, ConnectionError):
            self.abort()

    async def run(self) -> web.WebSocketResponse:
        """Serve until the link ends."""
        await self._socket.prepare(self._request)
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._deliver(), name=f"deliver-{self.node}"),
                tasks.create_task(self._speak(), name=f"speak-{self.node}"),
                tasks.create_task(self._watch(), name=f"watch-{self.node}"),
            ]
            await self._read()
            for task in others:
                task.cancel()
        return self._socket

    async def _read(self) -> None:
        while True:
            await self._stall()
            received = await self._socket.receive()
            await self._stall()
            if received.type is aiohttp.WSMsgType.PING:
                with suppress(ConnectionError):  # the next receive sees the end of the link
                    await self._socket.pong(received.data)
                continue
            if received.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self.goodbye = received.type is aiohttp.WSMsgType.CLOSE
                return
            if self._faults.on("slow"):
                await asyncio.sleep(1.0)
            self._take(received.data)

    def _take(self, data: str | bytes) -> None:
        try:
            message = json.loads(data)
        except ValueError:
            logger.warning("node %s sent what is not JSON: %.80r", self.node, data)
            return
        self._heard(self, message)

    async def _deliver(self) -> None:
        """One object at a time; unacknowledged, it is resent, then goes back to the end of the queue."""
        while True:
            await self._filled.wait()
            if not self._queue:
                self._filled.clear()
                continue
            self._flying = next(reversed(self._queue) if self._faults.on("reorder") else iter(self._queue))
            item = self._queue.pop(self._flying)
            if await self._hand_over(item):
                self._acked(self.node, item)
            else:
                self._queue.setdefault(item.uid, item)
            self._flying = ""

    async def _hand_over(self, item: Delivery) -> bool:
        answer = asyncio.get_running_loop().create_future()
        self._waiting = item.message["header"]["msg_id"], answer
        for _ in range(self._options.sends):
            await self._send(item.message)
            done, _ = await asyncio.wait({answer}, timeout=self._options.resend)
            if done:
                return True
        return False

    async def _speak(self) -> None:
        while True:
            together = [await self._tells.get()]
            if self._faults.on("reorder"):
                await asyncio.sleep(_GATHERING)
            while not self._tells.empty():
                together.append(self._tells.get_nowait())
            for said in reversed(together) if self._faults.on("reorder") else together:
                await self._send(said)

    async def _watch(self) -> None:
        """Hang up on a node that does not keep alive."""
        while True:
            left = self._alive + self._options.keepalive - time.monotonic()
            if left <= 0:
                logger.info("node %s: no keepalive for %.1f s, closing", self.node, self._options.keepalive)
                await self.close("no keepalive")
                return
            await asyncio.sleep(left)

    async def _send(self, message: Json) -> None:
        await self._stall()
        copies = 2 if self._faults.on("duplicate") else 1
        for _ in range(copies):
            try:
                await self._socket.send_str(encode(message))
            except ConnectionError:
                return  # the reader sees the end of the link

    async def _stall(self) -> None:
        """While half-open nothing passes; afterwards the link is dead."""
        while (left := self._faults.left("half-open")) > 0:
            await asyncio.sleep(left)
            self.abort()
