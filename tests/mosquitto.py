"""A real mosquitto that a test starts, stops, freezes and kills."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from devices.mqtt.broker import find_mosquitto

DEADLINE = 5.0
_DEFAULTS = ("set_tcp_nodelay true", "allow_anonymous true")


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mosquitto:
    """Anonymous, persistent, on its own port and in its own folder. `settings` are lines of its configuration."""

    def __init__(self, folder: Path, *settings: str) -> None:
        program = find_mosquitto()
        if program is None:
            pytest.skip("mosquitto is not installed")
        self._program = program
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self, *settings: str) -> Mosquitto:
        """Start it and wait until it takes connections; `settings` take the place of those it had."""
        self._settings = settings or self._settings
        self._folder.mkdir(exist_ok=True)
        configuration = self._folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self._folder}/",
            "log_dest stderr",
            *(line for line in _DEFAULTS if not any(own.startswith(line.split()[0]) for own in self._settings)),
            *(["user root"] if os.geteuid() == 0 else []),
            *self._settings,
        ]
        configuration.write_text("\n".join(lines) + "\n")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(configuration)], stderr=log)
        self._await_port()
        return self

    def stop(self) -> None:
        """SIGTERM: it writes its sessions down. Nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what was not written down is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """SIGHUP: it reads passwords and rights again."""
        self._signal(signal.SIGHUP)

    def write_sessions(self) -> None:
        """SIGUSR1: it writes its sessions down now."""
        database = self._folder / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self._signal(signal.SIGUSR1)
        deadline = time.monotonic() + DEADLINE
        while not database.exists() or database.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, "mosquitto writes no sessions"
            time.sleep(0.01)

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.thaw()
            self.stop()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(DEADLINE)
            self._process = None

    def _await_port(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.01)
