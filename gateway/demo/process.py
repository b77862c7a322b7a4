"""One child process of the demo: started, awaited until it serves, ended in order; its output goes to a file."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from twins.errors import Unavailable


class Child:
    """A Python module as a process. When the demo dies, the kernel ends it too (`setpriv --pdeathsig`)."""

    def __init__(self, name: str, module: str, arguments: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        self._command = [*guard, sys.executable, "-m", module, *shlex.split(arguments)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )

    @property
    def ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def check(self) -> None:
        """Raise `Unavailable` with the end of its output when it is gone."""
        if self.ended:
            raise Unavailable(f"{self.name} ended: {self.last_line()}")

    def last_line(self) -> str:
        """The last thing it said."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines() if self.log.exists() else []
        return lines[-1][:300] if lines else "it said nothing"

    async def stop(self, deadline: float = 30.0) -> int:
        """SIGTERM, and SIGKILL after the deadline; its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(deadline):
                    await process.wait()
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0

    async def wait(self, deadline: float) -> int:
        """Let it end by itself."""
        assert self._process is not None
        async with asyncio.timeout(deadline):
            return await self._process.wait()


def kill_broker(folder: Path) -> bool:
    """SIGKILL the broker that keeps its files in `folder`; `False` when there is none."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words and words[0].endswith(b"mosquitto") and any(str(folder).encode() in word for word in words):
            os.kill(int(entry.name), signal.SIGKILL)
            return True
    return False
