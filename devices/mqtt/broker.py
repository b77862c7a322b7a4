"""The gateway's own broker: a mosquitto with a generated configuration, started, watched, and started again.

    broker = Broker(folder, Settings(), clock)
    group.create_task(broker.run(), name="broker")
    await broker.ready()
    host, port = broker.address

mosquitto runs in its own session, so that Ctrl-C in a terminal reaches the gateway alone, which drains first and ends
the broker itself. When the gateway is killed the kernel ends the broker: a launcher asks for it (PR_SET_PDEATHSIG) and
then becomes mosquitto. Not by `preexec_fn`, which may deadlock in a process with threads, and not by setpriv(1), whose
capset(2) the service's system call filter refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devices.mqtt.credentials import Credentials
from devices.mqtt.files import Files
from devices.mqtt.mosquitto import CHATTER, NO_LOGIN, RELOADING, Settings, find_mosquitto
from devices.mqtt.ports import accepts, free_port
from devices.mqtt.rights import GATEWAY
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable

if TYPE_CHECKING:
    from devices.mqtt.authority import Authority

__all__ = ["Broker", "Settings", "State", "find_mosquitto"]

logger = logging.getLogger(__name__)

State = Literal["new", "starting", "up", "down", "stopped"]

_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the gateway is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_START = 5.0
_STOP = 5.0
_RELOAD = 5.0
_SETTLED = 10.0
_FAILURES = 5
_LINES = 50
_LINE = 500


class Broker:
    """Keeps its files in `folder`. `user` and `password` are the gateway's, new at each start, empty if anonymous.

    `credentials` are those of devices, `authority` signed their certificates; `refused` is called for each login that
    the broker refused.
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
        *,
        program: str | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._settings = settings
        self._files = Files(self._folder, settings, credentials, authority)
        self._clock = clock
        self._refused = refused
        self._program = program
        self._port = self._tls_port = 0
        self._process: asyncio.subprocess.Process | None = None
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
        return self._process.pid if self._process is not None and self._process.returncode is None else None

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
        await self._end_orphan()
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
            await self._end()
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
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-ISc", _LAUNCHER, str(os.getpid())),
            *(program, "-c", str(self._folder / "mosquitto.conf")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        (self._folder / "pid").write_text(f"{process.pid}\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(process), name="broker output")
            watch = group.create_task(self._announce(process), name="broker start")
            await process.wait()
            watch.cancel()
        if self._clock.monotonic() - started >= _SETTLED:
            backoff.reset()

    async def _announce(self, process: asyncio.subprocess.Process) -> None:
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
        logger.info("broker: mosquitto at %s:%d, process %d", *self.address, process.pid)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep what it writes, by pieces: a line can be as long as a topic."""
        assert process.stdout is not None  # asked for
        rest = ""
        while piece := await process.stdout.read(4096):
            *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
            rest = rest[-_LINE:]
            for line in lines:
                self._hear(line[:_LINE])

    def _hear(self, line: str) -> None:
        logger.debug("mosquitto: %s", line)
        text = line.partition(": ")[2]
        if text == RELOADING:
            self._reloaded.set()
        elif text == NO_LOGIN and self._refused is not None:
            self._refused()
        if not text.startswith(CHATTER):
            self._lines.append(line)

    async def _end(self) -> None:
        """SIGTERM, so that it writes its sessions down; SIGKILL when it takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            logger.warning("mosquitto did not end within %g s and is killed", _STOP)
            process.kill()
            await process.wait()

    async def _end_orphan(self) -> None:
        """End the broker of a gateway that was killed: it has our port and our files."""
        pid = _orphan(self._folder)
        if pid is None:
            return
        logger.warning("a broker of an earlier gateway, process %d, is ended", pid)
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            os.kill(pid, signal.SIGTERM)
            async with asyncio.timeout(_STOP):
                while True:
                    os.kill(pid, 0)  # raises when it is gone
                    await self._clock.sleep(0.05)

    def _story(self, what: str) -> str:
        code = self._process.returncode if self._process is not None else None
        last = " / ".join(list(self._lines)[-3:]) or "it wrote nothing"
        return f"mosquitto {what} (exit {code}): {last}"


def _orphan(folder: Path) -> int | None:
    """The process of the pid file, if it still is a mosquitto with our configuration."""
    try:
        pid = int((folder / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(folder / "mosquitto.conf").encode() in arguments else None
