"""The live tap: committed points as lines of JSON over TCP, for programs that only read lines, such as Flink.

    {"time":"2026-11-21T10:00:00.250000Z","at":1795255200250000,"namespace":"default","device":"press-1",
     "property":"temperature","value":21.5,"text":null,"seq":-81985529216486896}

Who connects hears what is committed from then on. It cannot be replayed: who must not miss anything reads sealed files.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import math
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from runtime.mailbox import Mailbox, Policy
from store.columns import Columns
from twins.errors import Unavailable
from twins.exchange import DESIRED

logger = logging.getLogger(__name__)

READERS = 16
"""Programs that may read at once."""
ROOM = 256
"""Blocks of lines that wait for a slow reader; then the oldest go, and are counted."""
BLOCK = 256
"""Lines of a block: of a commit of many points there are several."""
PATIENCE = 30.0
"""Seconds after which a reader that takes nothing is cut off."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Line(Struct, frozen=True):
    """One point."""

    time: str
    at: int
    namespace: str
    device: str
    property: str
    value: float | None
    text: str | None
    seq: int


class TapCounts(Struct):
    """`lines` were made, `dropped` blocks of them a reader was too slow for, `refused` readers were too many."""

    lines: int = 0
    dropped: int = 0
    refused: int = 0


class Tap:
    """The store tells it of every commit; `run` serves the series that match one of the globs at host and port."""

    def __init__(self) -> None:
        self.counts = TapCounts()
        self._globs: tuple[str, ...] = ()
        self._readers: set[Mailbox[bytes]] = set()
        self._wanted: list[bool] = []
        self.address: tuple[str, int] | None = None

    def take(self, _batch: int, columns: Columns, series: Sequence[str]) -> None:
        """These points were committed."""
        if not self._readers:
            return
        for key in range(len(self._wanted), len(series)):
            reported = not series[key].startswith(DESIRED)
            self._wanted.append(reported and any(fnmatch.fnmatchcase(series[key], glob) for glob in self._globs))
        lines = [
            _line(series[key], at, seq, number, columns.text.get(index))
            for index, (key, at, seq, number) in enumerate(
                zip(columns.series, columns.at, columns.seq, columns.number, strict=True)
            )
            if self._wanted[key]
        ]
        if not lines:
            return
        self.counts.lines += len(lines)
        for start in range(0, len(lines), BLOCK):
            block = b"".join(lines[start : start + BLOCK])
            for reader in self._readers:
                before = reader.statistics.dropped
                reader.offer_nowait(block)
                self.counts.dropped += reader.statistics.dropped - before

    async def run(self, host: str, port: int, globs: Sequence[str]) -> None:
        """Serve until cancelled. Raises `Unavailable` when the port is taken."""
        self._globs, self._wanted = tuple(globs), []
        try:
            listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            reason = f"the tap cannot listen on {host}:{port} ({error.strerror}): choose another [tap] listen"
            raise Unavailable(reason) from None
        async with asyncio.TaskGroup() as group:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(self._serve(reader, writer), name="tap reader")

            server = await asyncio.start_server(connected, sock=listening)
            self.address = listening.getsockname()[:2]
            try:
                await server.serve_forever()
            finally:
                self.address = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write what comes until the other side hangs up; what it sends means nothing."""
        if len(self._readers) >= READERS:
            self.counts.refused += 1
            writer.close()
            return
        box: Mailbox[bytes] = Mailbox("tap", ROOM, Policy.DROP_OLDEST)
        self._readers.add(box)
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(_write(box, writer), name="tap writer")
                while await reader.read(4096):
                    pass
                writing.cancel()
        except* TimeoutError:
            logger.warning("a reader of the tap took nothing for %.0f s: it is cut off", PATIENCE)
        except* ConnectionError:
            pass  # it has read enough
        finally:
            self._readers.discard(box)
            writer.transport.abort()


async def _write(box: Mailbox[bytes], writer: asyncio.StreamWriter) -> None:
    while True:
        writer.writelines(await box.take(ROOM))
        async with asyncio.timeout(PATIENCE):
            await writer.drain()


def _line(series: str, at: int, seq: int, number: float, text: str | None) -> bytes:
    namespace, _, rest = series.partition("/")
    device, _, name = rest.partition("/")
    when = (_EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    value = None if math.isnan(number) else number
    return msgspec.json.encode(Line(when, at, namespace, device, name, value, text, seq)) + b"\n"
