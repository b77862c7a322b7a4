"""A gateway as people have it: a process of its own, asked over HTTP, MQTT and the command line."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import aiomqtt
import pytest

from gateway.cli import main

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {
    "node": 'name = "edge-1"',
    "broker": 'listen = "127.0.0.1:0"\nanonymous = true',
    "store": 'path = "data"',
    "web": 'listen = "127.0.0.1:0"',
    "inference": "enabled = false",
    "offload": "enabled = false",
    "dmi": "enabled = false",
    "twins": "enrol = true",
}


def environment(**more: str) -> dict[str, str]:
    """This process's environment, so that a child finds the code under test and no gateway of the machine's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GEMELO_URL", "GEMELO_TOKEN"))}
    return own | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | more


def until(look: Callable[[], T | None], deadline: float = 15.0, what: Callable[[], str] = str) -> T:
    """What `look` gives once it gives something; fails after `deadline` seconds with what `what` says."""
    end = time.monotonic() + deadline
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what()}")
        time.sleep(0.02)


def gemelo(
    *words: str, deadline: float = 30.0, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """One command to its end, as a process."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env=environment(**env),
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=deadline,
        check=False,
    )


def invoke(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """One command to its end within this process: what the console script does, without a new interpreter's start."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in ("GEMELO_URL", "GEMELO_TOKEN"):  # those of the machine's own gateway
            patch.delenv(name, raising=False)
        for name, value in env.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["gemelo", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        else:
            code = 0
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


class Gateway:
    """`gemelo run` in `folder`. Sections given by name replace those of `SECTIONS`; `user` is a number to run as."""

    def __init__(self, folder: Path, *, user: int | None = None, **sections: str) -> None:
        self.folder = folder
        self.config = folder / "gateway.toml"
        text = "".join(f"[{name}]\n{body}\n" for name, body in (SECTIONS | sections).items())
        self.config.write_text(text, "utf-8")
        self._log = folder / "gateway.log"
        self._before = 0
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def spawn(self) -> Gateway:
        """Start the process, and wait for nothing."""
        self._before = self._log.stat().st_size if self._log.exists() else 0
        drop = [] if self._user is None else ["setpriv", f"--reuid={self._user}", f"--regid={self._user}"]
        if drop:
            drop += ["--clear-groups", "--"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*drop, sys.executable, "-m", "gateway", "run", "-c", str(self.config)],
                env=environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def start(self, *, ready: int = 200) -> Gateway:
        """Start the process and wait until `/readyz` answers this."""
        self.spawn()
        self.address()
        until(lambda: self.ask("GET", "/readyz")[0] == ready, what=lambda: self.output)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, deadline: float = 15.0) -> int:
        """The exit code."""
        assert self._process is not None
        return self._process.wait(deadline)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL if that ends nothing; the exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(35)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait(5)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has said since it was started last."""
        with self._log.open("rb") as log:
            log.seek(self._before)
            return log.read().decode("utf-8", "replace")

    def says(self, pattern: str, deadline: float = 15.0) -> re.Match[str]:
        """Wait for words in its output."""
        return until(lambda: re.search(pattern, self.output), deadline, lambda: f"{pattern!r} in:\n{self.output}")

    def address(self) -> str:
        """`host:port` of the page."""
        return self.says(r"the page listens on (\S+)").group(1)

    @property
    def url(self) -> str:
        return f"http://{self.address()}"

    def broker(self) -> int:
        """The port of its own broker."""
        return int(self.says(r"broker: mosquitto at [\d.]+:(\d+), process \d+").group(1))

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, Any]:
        """Status and decoded body of an answer; (0, None) when nobody takes the connection."""
        host, _, port = self.address().rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except OSError:
            return 0, None
        finally:
            connection.close()

    def reasons(self) -> str:
        """Why `/readyz` is not content, in one text."""
        return " | ".join((self.ask("GET", "/readyz")[1] or {}).get("reasons", ["no answer"]))

    def complains(self, pattern: str, deadline: float = 15.0) -> str:
        """Wait until `/readyz` gives such a reason."""
        return until(
            lambda: (t := self.reasons()) if re.search(pattern, self.reasons()) else "", deadline, self.reasons
        )

    def apply(self, manifest: str) -> list[str]:
        status, told = self.ask("POST", "/api/v1/manifests", manifest.encode(), "application/yaml")
        assert status == 200, told
        return list(told["applied"])

    def rows(self, query: str) -> list[list[Any]]:
        status, told = self.ask("POST", "/api/v1/sql", {"query": query, "limit": 10_000})
        assert status == 200, told
        return list(told["rows"])

    def device(self, name: str) -> dict[str, Any]:
        """A device as the API shows it, its properties by name; empty when it is not there."""
        status, told = self.ask("GET", f"/api/v1/devices/default/{name}")
        if status != 200:
            return {}
        return told | {"properties": {p["name"]: p for p in told["properties"]}}

    def reported(self, name: str, prop: str) -> str | None:
        return self.device(name).get("properties", {}).get(prop, {}).get("reported")

    def is_calm(self) -> bool:
        """True when no traceback was written."""
        return "Traceback" not in self.output and "Exception" not in self.output


class Sensor:
    """A device on MQTT: `async with Sensor(port, "pump-1") as sensor`."""

    def __init__(self, port: int, name: str) -> None:
        self.topic = f"$hw/events/device/default/{name}"
        self._client = aiomqtt.Client("127.0.0.1", port, identifier=f"test-{name}", timeout=5)
        self._count = 0

    async def __aenter__(self) -> Sensor:
        await self._client.__aenter__()
        for what in ("result", "delta"):
            await self._client.subscribe(f"{self.topic}/twin/update/{what}", qos=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    async def send(self, payload: bytes | dict[str, Any], verb: str = "twin/update") -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self._client.publish(f"{self.topic}/{verb}", body, qos=1, timeout=5)

    async def report(self, **values: str) -> str:
        """Send reported values; returns the event id, waits for no answer."""
        self._count += 1
        event = f"e-{self._count}-{time.time_ns()}"
        twin = {name: {"actual": {"value": value}} for name, value in values.items()}
        await self.send({"event_id": event, "timestamp": time.time_ns() // 1_000_000, "twin": twin})
        return event

    async def hear(self, what: str = "result", deadline: float = 10.0) -> dict[str, Any]:
        """The next message on `twin/update/result` or `…/delta`."""
        async with asyncio.timeout(deadline):
            async for message in self._client.messages:
                if message.topic.value == f"{self.topic}/twin/update/{what}":
                    return dict(json.loads(bytes(message.payload)))
        raise AssertionError("the broker went away")

    async def tell(self, **values: str) -> dict[str, Any]:
        """Send reported values and wait for the answer."""
        event = await self.report(**values)
        while True:
            answer = await self.hear()
            if answer.get("event_id") == event:
                return answer
