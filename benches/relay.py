"""A TCP relay that counts."""

from __future__ import annotations

import asyncio


class Relay:
    """`async with Relay(port) as relay`: whoever connects to `relay.port` reaches `port`; `bytes` counts both ways."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server
        self._carriers: set[asyncio.Task[None]] = set()
        self.port = 0
        self.bytes = 0

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    async def _carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        there, forth = await asyncio.open_connection("127.0.0.1", self._target)
        carrier = asyncio.current_task()
        assert carrier is not None
        self._carriers.add(carrier)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(here, forth))
                group.create_task(self._pass(there, back))
        finally:
            self._carriers.discard(carrier)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            self.bytes += len(piece)
            sink.write(piece)
            await sink.drain()
        sink.close()
