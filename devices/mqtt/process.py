"""One life of mosquitto, as a process: started so that it does not outlive us, listened to, and ended.

It runs in its own session, so that Ctrl-C in a terminal reaches the gateway alone, which drains first and ends the
broker itself. When the gateway is killed the kernel ends the broker: a launcher asks for it (PR_SET_PDEATHSIG) and then
becomes mosquitto. Not by `preexec_fn`, which may deadlock in a process with threads, and not by setpriv(1), whose
capset(2) the service's system call filter refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from devices.mqtt.mosquitto import CONFIGURATION
from runtime.clock import Clock

logger = logging.getLogger(__name__)

_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the gateway is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_PID = "pid"
_STOP = 5.0
_LINE = 500


class Process:
    """A process that runs; `start` makes one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: str, folder: Path) -> Process:
        """Start `program` with the configuration in `folder`, and note there which process it is."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-ISc", _LAUNCHER, str(os.getpid())),
            *(program, "-c", str(folder / CONFIGURATION)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        (folder / _PID).write_text(f"{process.pid}\n")
        return cls(process)

    @property
    def pid(self) -> int | None:
        """`None` when it has ended."""
        return self._process.pid if self._process.returncode is None else None

    @property
    def code(self) -> int | None:
        """What it ended with; `None` while it runs."""
        return self._process.returncode

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Hand on each line it writes, until it ends; by pieces, for a line can be as long as a topic."""
        assert self._process.stdout is not None  # asked for
        rest = ""
        while piece := await self._process.stdout.read(4096):
            *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
            rest = rest[-_LINE:]
            for line in lines:
                hear(line[:_LINE])

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    async def end(self) -> None:
        """SIGTERM, so that it writes its sessions down; SIGKILL when it takes too long."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await self._process.wait()
        except TimeoutError:
            logger.warning("mosquitto did not end within %g s and is killed", _STOP)
            self._process.kill()
            await self._process.wait()


async def end_orphan(folder: Path, clock: Clock) -> None:
    """End the broker of a gateway that was killed: it has our port and our files."""
    pid = _orphan(folder)
    if pid is None:
        return
    logger.warning("a broker of an earlier gateway, process %d, is ended", pid)
    with contextlib.suppress(ProcessLookupError, TimeoutError):
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(_STOP):
            while True:
                os.kill(pid, 0)  # raises when it is gone
                await clock.sleep(0.05)


def _orphan(folder: Path) -> int | None:
    """The process of the pid file, if it still is a mosquitto with our configuration."""
    try:
        pid = int((folder / _PID).read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(folder / CONFIGURATION).encode() in arguments else None
