"""What systemd is told over $NOTIFY_SOCKET (`Type=notify`): ready, stopping, status, and that we are alive.

notify = Notify.from_environment(os.environ)
notify.ready("20 devices")
await notify.beat(core.is_alive, clock)     # WATCHDOG=1 at half of WatchdogSec, as long as it is true
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

logger = logging.getLogger(__name__)


class Sleeper(Protocol):
    async def sleep(self, seconds: float) -> None: ...


class Notify:
    """Sends to `address`, a path or `@name` for an abstract socket; empty: to nobody."""

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = watchdog

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notify:
        """As sd_notify(3) and sd_watchdog_enabled(3) say; the watchdog may be meant for another process."""
        microseconds = int(environ.get("WATCHDOG_USEC") or 0)
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(environ.get("NOTIFY_SOCKET", ""), microseconds / 1e6 if microseconds and meant else None)

    def ready(self, status: str = "") -> None:
        """The state is recovered and the doors are open."""
        self._send("READY=1", status)

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", status)

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send("", status)

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    async def beat(self, is_alive: Callable[[], bool], clock: Sleeper) -> None:
        """Say that we are alive at half the watchdog's time while `is_alive()`; returns at once without a watchdog."""
        if self.watchdog is None:
            return
        while True:
            if is_alive():
                self.alive()
            await clock.sleep(self.watchdog / 2)

    def _send(self, state: str, status: str = "") -> None:
        if not self._address:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + status.replace("\n", " "))
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:  # a supervisor that is away is no reason to stop the gateway
            logger.warning("systemd was not told %s: %s", state or "the status", error)
