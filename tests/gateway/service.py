"""The gateway as a process, and what a test does to it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.mosquitto import free_port

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 15.0
OFF = "[dmi]\nenabled = false"
"""The default socket is the same for all gateways of a machine."""


class Process:
    """`gemelo run` with a configuration in `folder`; ports are free ones. `more` is TOML added to it."""

    def __init__(self, folder: Path, more: str = "", *, broker: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.broker_port = free_port()
        self.config = folder / "gateway.toml"
        self._log = folder / "log"
        self._broker = broker or f'listen = "127.0.0.1:{self.broker_port}"\nanonymous = true'
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self.configure(more)

    def configure(self, more: str = "") -> None:
        self.config.write_text(
            f"""
[broker]
{self._broker}
[web]
listen = "127.0.0.1:{self.port}"
[inference]
enabled = false
[offload]
enabled = false
[store]
path = "data"
{"" if "[dmi]" in more else OFF}
{more}
"""
        )

    def start(self, *wrapper: str) -> Process:
        """Start it, by another program that becomes it if one is given."""
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "gateway.cli", "run", "-c", str(self.config)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        return self

    def ready(self) -> float:
        """Wait until it is ready; the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < DEADLINE:
            try:
                self.get("/readyz")
                return time.monotonic() - began
            except OSError:
                assert self._process is not None
                assert self._process.poll() is None, self.log
                time.sleep(0.01)
        raise AssertionError(self.log)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(DEADLINE)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    @property
    def log(self) -> str:
        """What it wrote since the first start."""
        return self._log.read_text()

    def logged(self, text: str) -> None:
        """Wait until it wrote that."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def get(self, path: str) -> Any:
        return self._call(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def sql(self, query: str) -> list[list[Any]]:
        data = json.dumps({"query": query, "limit": 10_000}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/sql", data, {"Content-Type": "application/json"}
        )
        rows: list[list[Any]] = self._call(request)["rows"]
        return rows

    def devices(self) -> dict[str, dict[str, Any]]:
        """Properties of each device by name."""
        found = self.get("/api/v1/devices")
        return {device["id"]: {p["name"]: p for p in device["properties"]} for device in found}

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _call(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"{request.full_url}: {error.code}: {error.read().decode()}") from None
