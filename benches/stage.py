"""What benches run: a real mosquitto, and a gateway in a process of its own, each in a folder that goes away after."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
OFF = "[inference]\nenabled = false\n[offload]\nenabled = false\n[dmi]\nenabled = false\n"
_CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
persistence false
log_dest none
"""


class Running(Struct):
    """A gateway that runs. `page` is `http://host:port`, `seconds` the time from its start to its page."""

    process: subprocess.Popen[bytes]
    page: str
    folder: Path
    seconds: float

    @property
    def broker(self) -> int:
        """Process of its own mosquitto."""
        return int((self.folder / "data" / "broker" / "pid").read_text("ascii"))


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A broker without rights, with room for the windows of benches; gives its port."""
    port = free_port()
    (folder / "mosquitto.conf").write_text(_CONFIGURATION.format(port=port), "ascii")
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed: apt-get install mosquitto")
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")])
    try:
        if not waited(lambda: _accepts(port), 5.0):
            sys.exit("mosquitto does not listen")
        yield port
    finally:
        end(process)


@contextmanager
def gateway(folder: Path, sections: str, *arguments: str) -> Iterator[Running]:
    """`gemelo run` with these sections and a page on a free port; given when `/readyz` says yes."""
    port = free_port()
    (folder / "gateway.toml").write_text(f'{sections}\n[web]\nlisten = "127.0.0.1:{port}"\n', "utf-8")
    page = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gateway.cli", "run", "-c", str(folder / "gateway.toml"), *arguments]
    began = time.perf_counter()
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log)
    try:
        ready = waited(lambda: process.poll() is not None or answers(f"{page}/readyz"), 30.0)
        if not ready or process.poll() is not None:
            sys.exit(f"the gateway is not ready:\n{(folder / 'gateway.log').read_text('utf-8')[-2000:]}")
        yield Running(process, page, folder, time.perf_counter() - began)
    finally:
        end(process)


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of this project, `python -m …`, until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        end(process)


def models() -> Path | None:
    """A folder that holds the default models and the demo's media: the repository's, the demo's, or none."""
    from inference.depot import Depot

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (ROOT / ".cache" / "models", cache / "gemelo" / "models"):
        depot = Depot(folder)
        if all(depot.find(entry.name) for entry in depot.catalogue.entries if entry.default):
            return folder
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for what stays."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(url: str) -> bool:
    """True when the address answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss(pid: int) -> float:
    """Proportional set size in MB: private pages, and this process's part of the shared ones."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024 / 1e6


def waited(is_so: Callable[[], bool], seconds: float) -> bool:
    """True once it is so; false when the time is over."""
    end_at = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end_at:
            return False
        time.sleep(0.02)
    return True


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
