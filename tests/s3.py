"""A real S3 server process: moto's, from a folder of its own, as its packages do not go with ours."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest

SERVER = Path(sys.prefix) / "s3"
_READY = 30.0


class S3:
    """Listens on `port` of loopback; what it holds is in its memory."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"s3-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it, and return when it answers; skips the test where there is none."""
        if not SERVER.is_dir():
            pytest.skip(f"no S3 server in {SERVER}: see requirements/s3.txt")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        own = os.environ | {"PYTHONPATH": str(SERVER)} | environment
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=own, cwd=self._log.parent, stdout=log, stderr=log)
        deadline = time.monotonic() + _READY
        while time.monotonic() < deadline:
            try:
                self.call("GET", "/moto-api/data.json")
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.05)
            else:
                return
        pytest.fail(f"the S3 server does not answer: {self._log.read_text()}")

    def kill(self) -> None:
        """As a power cut: nothing is written or answered any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def make(self, bucket: str) -> None:
        self.call("PUT", f"/{bucket}")

    def names(self, bucket: str) -> list[str]:
        """All objects, by name."""
        tree = ElementTree.fromstring(self.call("GET", f"/{bucket}?list-type=2&max-keys=1000"))
        return sorted(str(each.text) for each in tree.iter() if each.tag.endswith("}Key"))

    def fetch(self, bucket: str, folder: Path) -> Path:
        """A copy of all objects in a folder."""
        for name in self.names(bucket):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.call("GET", f"/{bucket}/{name}"))
        return folder

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20241004/us-east-1/s3/aws4_request"}
        headers |= {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
