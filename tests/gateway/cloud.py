"""The stand-in CloudCore as a process beside a gateway, and what a test asks of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.gateway.process import environment, until


class Cloud:
    """`with Cloud(folder, "edge-1") as cloud`. Its control API by `ask`, what it received by `lines`."""

    def __init__(self, folder: Path, node: str, *more: str) -> None:
        self.folder = folder
        self._log = folder / "cloud.log"
        self._words = ("cloudcore", "--data", str(folder), "--node", node, "--sync", "0.3", "--resend", "0.5")
        self._words += ("--rules", "1.0", *more)
        self._process: subprocess.Popen[bytes]
        self.ports: tuple[str, ...] = ("0", "0", "0")
        """Of certificates, link and control; kept over a restart."""

    def __enter__(self) -> Cloud:
        self.folder.mkdir(exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        https, ws, api = self.ports
        ports = ("--https", https, "--ws", ws, "--api", api)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from simulator.cli import main; main()", *self._words, *ports],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        found = until(
            lambda: re.search(r"certificates https://\S+:(\d+) +link wss://\S+:(\d+) +control \S+:(\d+)", self._said),
            what=lambda: self._said,
        )
        self.ports = found.groups()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def certificates(self) -> str:
        return f"https://127.0.0.1:{self.ports[0]}"

    @property
    def link(self) -> str:
        return f"wss://127.0.0.1:{self.ports[1]}"

    @property
    def token(self) -> Path:
        return self.folder / "token"

    def section(self) -> str:
        """The section of `gateway.toml` for it."""
        doors = f'url = "{self.link}"\nregister_url = "{self.certificates}"'
        return f'kind = "cloudcore"\n{doors}\nrate = 1000.0\nrules_wait = 2.0'

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[2]}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def route(self, operation: str, topic: str, payload: str | None = None, node: str = "edge-1") -> None:
        """The rule router says something to a node."""
        self.ask("POST", f"/router/{node}", {"operation": operation, "topic": topic, "payload": payload})

    def fault(self, kind: str, seconds: float) -> None:
        self.ask("POST", "/fault", {"kind": kind, "for": seconds})

    def lines(self, verdict: str) -> list[dict[str, Any]]:
        """What it received, in order."""
        told = (self.folder / "received.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, told) if line["verdict"] == verdict]

    def uploads(self, topic: str = "") -> list[str]:
        """Custom messages in the order in which they came, of one topic or all."""
        lines = self.lines("uploaded")
        return [line["content"] for line in lines if not topic or line["route"]["resource"] == topic]

    @property
    def _said(self) -> str:
        return self._log.read_text()
