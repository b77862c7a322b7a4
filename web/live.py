"""The live stream: the whole picture first, then what changed, at most ten times a second for each viewer.

There is no queue. The writer of a viewer remembers one revision; while its socket is full it waits, and what changes
meanwhile is told once, in its newest form. A viewer that takes nothing for `PATIENCE` seconds is cut off and may come
again.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import ClientConnectionResetError, WSMsgType, web

from runtime.clock import Clock
from twins.errors import Unavailable
from web.ports import Console

logger = logging.getLogger(__name__)

PERIOD = 0.1
SHARE = 0.05
"""Of one core, what one viewer may cost at most: a dear snapshot is followed by a longer pause."""
PATIENCE = 20.0
QUIET = 5.0
HEARTBEAT = 20.0


class Live:
    """All viewers of one server."""

    def __init__(self, console: Console, clock: Clock, viewers: int) -> None:
        self._console = console
        self._clock = clock
        self._limit = viewers
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def viewers(self) -> int:
        return len(self._sockets)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Answer one viewer until it goes."""
        if len(self._sockets) >= self._limit:
            message = f"{self._limit} viewers are connected already, as many as [web] viewers allows"
            raise Unavailable(message)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, compress=False, max_msg_size=1024, timeout=1.0)
        self._sockets.add(socket)
        try:
            await socket.prepare(request)
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(socket, request), name="live.write")
                await self._read(socket)
                writing.cancel()
        except ExceptionGroup:
            logger.exception("a live stream failed")
            await socket.close(code=1011, message=b"the gateway failed; its log says why")
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self) -> None:
        """Tell all viewers that the gateway goes away."""
        async with asyncio.TaskGroup() as group:
            for socket in self._sockets:
                group.create_task(socket.close(code=1001, message=b"the gateway stops"), name="live.close")

    async def _write(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        revision = 0
        try:
            while True:
                began = self._clock.monotonic()
                view = self._console.snapshot(revision)
                body = msgspec.json.encode(view)
                spent = self._clock.monotonic() - began
                async with asyncio.timeout(PATIENCE):
                    await socket.send_frame(body, WSMsgType.TEXT)
                revision = view.revision
                await self._clock.sleep(max(PERIOD, spent / SHARE))
                await self._changed(revision)
        except TimeoutError:
            logger.info("a viewer took nothing for %.0f s and is cut off", PATIENCE)
            if request.transport is not None:
                request.transport.abort()
        except ClientConnectionResetError:
            pass  # the viewer left; the reader sees it too

    async def _changed(self, revision: int) -> None:
        try:
            async with asyncio.timeout(QUIET):
                await self._console.changed(revision)
        except TimeoutError:
            pass  # a change without changes tells the page that we are still here

    @staticmethod
    async def _read(socket: web.WebSocketResponse) -> None:
        async for _ in socket:  # viewers have nothing to say
            await socket.close(code=1003, message=b"this stream is one-way")
