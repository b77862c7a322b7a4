"""A TCP proxy between gateway and cloud, which needs no rights: the far side of a bad network.

TCP hides lost packets from programs. Who sends repeats a lost segment after a timeout, which doubles each time
(RFC 6298), and all that was sent behind it waits. So loss shows as stalls, never as missing bytes, and that is what
`loss` makes of each piece that passes. A link that is half-open (a NAT forgot it, a cable was pulled) swallows
everything and is closed by nobody.
"""

from __future__ import annotations

import asyncio
import random

_PIECE = 1400
"""Bytes: about one segment."""
_RTO = 0.2
"""Seconds: Linux repeats a segment no sooner."""


class Wire:
    """`async with Wire(port) as wire`: whoever connects to `wire.port` reaches `port`, as the fault allows.

    `delay` is one way, in seconds; `loss` is a part of 1; `cut` refuses, `freeze` swallows what is open now.
    """

    def __init__(self, target: int, seed: int = 1) -> None:
        self._target = target
        self._chance = random.Random(seed)
        self._carriers: dict[asyncio.Task[None], tuple[_Pipe, _Pipe]] = {}
        self._cut = False
        self._server: asyncio.Server
        self.delay = 0.0
        self.loss = 0.0
        self.bytes = 0
        """Passed on so far, both ways."""
        self.port = 0

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        carriers = list(self._carriers)
        self.cut()
        await asyncio.gather(*carriers, return_exceptions=True)

    def cut(self) -> None:
        """Break what is open, refuse what comes."""
        self._cut = True
        self.blink()

    def blink(self) -> None:
        """Break what is open; who comes gets through."""
        for carrier in self._carriers:
            carrier.cancel()

    def freeze(self) -> None:
        """Swallow what those say that are connected now, and close nothing; who connects anew gets through."""
        for pipes in self._carriers.values():
            for pipe in pipes:
                pipe.frozen = True

    def mend(self) -> None:
        """No fault any more, but what is frozen stays so."""
        self._cut, self.delay, self.loss = False, 0.0, 0.0

    def lag(self) -> float:
        """Seconds that one piece takes: the way, and its repetitions if it is lost."""
        lag, timeout = self.delay, max(_RTO, 2 * self.delay)
        while self._chance.random() < self.loss:
            lag, timeout = lag + timeout, timeout * 2
        return lag

    async def _carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self._cut:
            back.transport.abort()
            return
        try:
            there, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # nobody listens there: so it looks from here too
            back.transport.abort()
            return
        ways = _Pipe(self, here, forth), _Pipe(self, there, back)
        carrier = asyncio.current_task()
        assert carrier is not None
        self._carriers[carrier] = ways
        try:
            async with asyncio.TaskGroup() as group:
                for way in ways:
                    group.create_task(way.run())
        except* (ConnectionError, asyncio.CancelledError):
            pass  # one side is gone, so is the other; or it was cut: Python 3.11's server chokes on a cancelled task
        finally:
            del self._carriers[carrier]
            forth.transport.abort()
            back.transport.abort()


class _Pipe:
    """One way of one connection; what is delayed is on its way meanwhile, like on a real one."""

    def __init__(self, wire: Wire, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self.frozen = False
        self._wire = wire
        self._source = source
        self._sink = sink
        self._flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)

    async def run(self) -> None:
        """Ends by an error, as does the other way of this connection then."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take())
            group.create_task(self._give())

    async def _take(self) -> None:
        while piece := await self._source.read(_PIECE):
            await self._flying.put((asyncio.get_running_loop().time() + self._wire.lag(), piece))
        await self._flying.put((0.0, b""))

    async def _give(self) -> None:
        while True:
            due, piece = await self._flying.get()
            if (wait := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)  # and all behind it waits
            if self.frozen:
                continue
            if not piece:
                raise ConnectionResetError
            self._wire.bytes += len(piece)
            self._sink.write(piece)
            await self._sink.drain()
