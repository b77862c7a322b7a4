"""The gateway's own broker: a mosquitto with a generated configuration, started, watched, and started again.

broker = Broker(folder, Settings(), clock)
group.create_task(broker.run(), name="broker")
await broker.ready()
host, port = broker.address
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devices.mqtt.credentials import Credentials
from devices.mqtt.files import Files
from devices.mqtt.mosquitto import CHATTER, NO_LOGIN, RELOADING, Settings, find_mosquitto
from devices.mqtt.ports import accepts, free_port
from devices.mqtt.process import Process, end_orphan
from devices.mqtt.rights import GATEWAY, Granted, nothing
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable

if TYPE_CHECKING:
    from devices.mqtt.authority import Authority

__all__ = ["Broker", "Settings", "State", "find_mosquitto"]

logger = logging.getLogger(__name__)

State = Literal["new", "starting", "up", "down", "stopped"]

_START = 5.0
_RELOAD = 5.0
_SETTLED = 10.0
_FAILURES = 5
_LINES = 50


class Broker:
    """Keeps its files in `folder`. `user` and `password` are the gateway's, new at each start, empty if anonymous.

    `credentials` are those of devices, `authority` signed their certificates; `refused` is called for each login that
    the broker refused; `granted` says what a device may do beside its own topics.
    """

    protocol: Literal[4, 5] = 5

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        clock: Clock,
        credentials: Credentials | None = None,
        authority: Authority | None = None,
        refused: Callable[[], None] | None = None,
        granted: Granted = nothing,
        *,
        program: str | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._settings = settings
        self._files = Files(self._folder, settings, credentials, authority, granted)
        self._clock = clock
        self._refused = refused
        self._program = program
        self._port = self._tls_port = 0
        self._process: Process | None = None
        self._ready = asyncio.Event()
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._reloading = asyncio.Lock()
        self._reloaded = asyncio.Event()
        self._wanted = self._taken = 0
        self.user = "" if settings.anonymous else GATEWAY
        self.password = "" if settings.anonymous else secrets.token_urlsafe(24)
        self.state: State = "new"
        self.restarts = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; known once `ready()`, and the same until the gateway ends."""
        return self._settings.host, self._port

    @property
    def encrypted(self) -> tuple[str, int] | None:
        """Where it listens for devices with a certificate."""
        return (self._settings.tls[0], self._tls_port) if self._settings.tls is not None else None

    @property
    def pid(self) -> int | None:
        """The process of now."""
        return self._process.pid if self._process is not None else None

    @property
    def output(self) -> list[str]:
        """The last lines it wrote."""
        return list(self._lines)

    async def ready(self) -> None:
        """Wait until it takes connections."""
        await self._ready.wait()

    async def run(self) -> None:
        """Run until cancelled. Raises `Unavailable` when mosquitto is absent or will not start."""
        program = self._program or find_mosquitto()
        if program is None:
            msg = "mosquitto is not installed: apt-get install mosquitto"
            raise Unavailable(msg)
        self._folder.mkdir(parents=True, exist_ok=True)
        await end_orphan(self._folder, self._clock)
        self._port = free_port(self._settings.host, self._settings.port)
        if self._settings.tls is not None:
            self._tls_port = free_port(*self._settings.tls)
        backoff = Backoff(first=0.2, limit=5.0)
        try:
            while True:
                await self._live(program, backoff)
                self._ready.clear()
                self.state = "down"
                self.restarts += 1
                if backoff.tries >= _FAILURES:
                    raise Unavailable(self._story("does not stay up"))
                logger.warning(self._story("ended; it is started again"))
                await self._clock.sleep(backoff.next())
        finally:
            if self._process is not None:
                await self._process.end()
            self._ready.clear()
            self.state = "stopped"

    async def reload(self) -> None:
        """Read users and rights again; returns when they hold. Connections stay, but those that lost their right.

        Whoever asks while others wait shares the next reload. Raises `Unavailable`, changing nothing, for unfit files.
        """
        self._wanted += 1
        try:
            async with asyncio.timeout(_RELOAD):
                await self._reload(self._wanted)
        except TimeoutError:
            raise Unavailable(f"mosquitto did not take up its users within {_RELOAD:g} s") from None

    async def refresh(self) -> None:
        """Read rights again where what devices are granted is something else now. Raises `Unavailable`."""
        if self._files.outdated:
            await self.reload()

    async def _reload(self, wanted: int) -> None:
        async with self._reloading:
            if self._taken >= wanted:
                return
            if self.state == "starting":  # a signal would end what is not mosquitto yet
                await self._ready.wait()
            if (pid := self.pid) is None or self.state != "up":  # the next start reads them
                return
            covers = self._wanted
            self._files.allow(self.user, self.password)
            self._reloaded.clear()
            os.kill(pid, signal.SIGHUP)
            await self._reloaded.wait()
            self._taken = covers

    async def _live(self, program: str, backoff: Backoff) -> None:
        """One life of the process, from its start to its end."""
        self.state = "starting"
        self._files.configure(self._port, self._tls_port)
        self._files.allow(self.user, self.password)
        started = self._clock.monotonic()
        self._process = process = await Process.start(program, self._folder)
        async with asyncio.TaskGroup() as group:
            group.create_task(process.listen(self._hear), name="broker output")
            watch = group.create_task(self._announce(process), name="broker start")
            await process.wait()
            watch.cancel()
        if self._clock.monotonic() - started >= _SETTLED:
            backoff.reset()

    async def _announce(self, process: Process) -> None:
        """Say when it takes connections."""
        try:
            async with asyncio.timeout(_START):
                while not await accepts(*self.address):
                    await self._clock.sleep(0.01)
        except TimeoutError:
            process.kill()
            return
        self.state = "up"
        self._reloaded.set()  # it has just read everything
        self._ready.set()
        logger.info("broker: mosquitto at %s:%d, process %s", *self.address, process.pid)

    def _hear(self, line: str) -> None:
        logger.debug("mosquitto: %s", line)
        text = line.partition(": ")[2]
        if text == RELOADING:
            self._reloaded.set()
        elif text == NO_LOGIN and self._refused is not None:
            self._refused()
        if not text.startswith(CHATTER):
            self._lines.append(line)

    def _story(self, what: str) -> str:
        code = self._process.code if self._process is not None else None
        last = " / ".join(list(self._lines)[-3:]) or "it wrote nothing"
        return f"mosquitto {what} (exit {code}): {last}"
