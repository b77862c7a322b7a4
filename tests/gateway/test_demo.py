"""`gemelo demo` as a person starts it: a process, its words, its ledger, and what it leaves behind (nothing)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import astuple

from gateway.demo.plan import choose_ports
from tests.gateway.process import ROOT, environment, until
from twins.errors import Unavailable

NEEDED = ("av", "grpc", "openvino", "duckdb")
OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None,
    reason="no mosquitto: apt-get install mosquitto",
)


class Demo:
    """One demo whose data goes into `folder`."""

    def __init__(self, folder: Path, *words: str, **env: str) -> None:
        self._folder = folder / "tmp"
        self._folder.mkdir()
        self._log = folder / "demo.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "demo", *words],
                env=environment(TMPDIR=str(self._folder), **env),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        until(lambda: not self.children(), 20, lambda: str(self.children()))

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def says(self, pattern: str, deadline: float = 40.0) -> re.Match[str]:
        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.output)
            assert found or self.process.poll() is None, f"it ended without {pattern!r}:\n{self.output}"
            return found

        return until(look, deadline, lambda: f"{pattern!r} in:\n{self.output}")

    def children(self) -> list[str]:
        """Command lines of processes that work in its folder."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if str(self._folder).encode() in words:
                    found.append(f"{entry.name} {words.replace(bytes(1), b' ').decode('utf-8', 'replace')}")
        return found

    def pid(self, part: str) -> int:
        """The process of a part."""
        return int(next(line for line in self.children() if part in line and "setpriv" not in line).split()[0])

    def has_gone(self) -> bool:
        """True when no process and no file of it is left."""
        return not self.children() and not list(self._folder.iterdir())


@pytest.fixture
async def models() -> Path:
    """The folder where the demo keeps its models and media; what is absent is fetched, once, as the demo would."""
    for name in NEEDED:
        pytest.importorskip(name)
    from gateway.commands.demo import MEDIA, MODELS
    from inference.depot import Depot

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    depot = Depot(cache / "gemelo" / "models")
    for name in (*MODELS, *MEDIA):
        try:
            await depot.pull(name, deadline=60.0)
        except Unavailable as error:
            pytest.skip(f"no models and media for the demo: {error}")
    return depot.folder


def sound(file: Path) -> dict[str, int]:
    """The ledger, when every line of it is as it must be."""
    counts = json.loads(file.read_text())
    assert counts["sound"], counts
    for name in ("lost", "doubled", "wrong", "strange", "cloud_lacks"):
        assert counts[name] == 0, counts
    assert counts["offered"] == counts["accepted"] + counts["rejected"] + counts["unconfirmed"]
    assert counts["sent_to_cloud"] >= counts["confirmed_by_cloud"] > 0
    return counts


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_demo_with_the_cloud_cut_and_the_broker_killed_loses_and_doubles_nothing(tmp_path, models):
    file = tmp_path / "ledger.json"
    words = ("--for", "25s", "--ledger", str(file), "--fault", "cloud:5s:8s", "--fault", "broker:15s")
    with Demo(tmp_path, *words, "--models", str(models)) as demo:
        first = demo.says(r"page +http://127\.0\.0\.1:\d+ +first value after (\d+\.\d) s")
        assert float(first.group(1)) <= 5.0
        demo.says("Try:")
        for part in ("cloud", "broker", "gateway", "devices", "rules", "camera", "phone"):
            demo.says(rf"  ✓ {part} ")
        demo.says("✂ the cloud is cut for 8 s")
        demo.says("✂ the broker was killed")
        assert demo.process.wait(90) == 0, demo.output + file.read_text()
        assert demo.has_gone(), demo.children()
        assert "Traceback" not in demo.output
        assert demo.output.rstrip().endswith("the demo's data is removed")
    counts = sound(file)
    assert counts["offered"] > 400
    assert counts["obeyed"] > 0


@pytest.fixture
def busy() -> Iterator[list[int]]:
    """The usual ports, each taken by somebody."""
    with contextlib.ExitStack() as stack:
        ports = [1883, 8080, 50051, 10003]
        for port in ports:
            with contextlib.suppress(OSError):  # it is taken already
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield ports


@pytest.mark.timeout(90)
def test_without_models_and_network_and_with_taken_ports_it_says_so_and_ends_with_ctrl_c(tmp_path, busy):
    (tmp_path / "empty").mkdir()
    with Demo(tmp_path, "--models", str(tmp_path / "empty"), **OFFLINE) as demo:
        demo.says("Try:")
        for name in ("person-ssdlite", "face-yunet", "emotion-mini-xception", "bikes.mp4", "astronaut.png"):
            assert re.search(rf"  - {re.escape(name)}: .*the demo goes on without it", demo.output), demo.output
        assert re.search(r"  - camera +no video", demo.output)
        assert re.search(r"  - phone +no picture", demo.output)
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", demo.output.replace(":9/simple", ""))]
        assert ports
        assert not set(ports) & set(busy)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(20) == 0
        assert demo.has_gone(), demo.children()
        assert "Traceback" not in demo.output


@pytest.mark.timeout(60)
def test_ctrl_c_while_it_starts_ends_it_at_once_and_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with Demo(tmp_path, "--models", str(tmp_path / "empty"), **OFFLINE) as demo:
        demo.says("✓ cloud")
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(20) == 130
        assert demo.has_gone(), demo.children()
        assert "Traceback" not in demo.output


@pytest.mark.timeout(60)
def test_a_part_that_dies_is_named_with_its_last_words_and_the_logs_are_kept(tmp_path):
    (tmp_path / "empty").mkdir()
    with Demo(tmp_path, "--models", str(tmp_path / "empty"), **OFFLINE) as demo:
        demo.says("Try:")
        os.kill(demo.pid("fleet"), signal.SIGKILL)
        assert demo.process.wait(20) == 1
        assert not demo.children()
        kept = Path(demo.says(r"kept: (\S+)").group(1))
        assert (kept / "fleet.log").exists()
        assert "✗ fleet ended: 20 devices speak to" in demo.output
        assert "Traceback" not in demo.output


def test_two_demos_at_once_take_other_ports_also_before_anybody_listens_there():
    with contextlib.ExitStack() as claims, contextlib.ExitStack() as others:
        first, second = astuple(choose_ports(claims)), astuple(choose_ports(others))
        assert not set(first) & set(second)
        assert len({*first, *second}) == 12
        others.close()
        with contextlib.ExitStack() as third:
            assert not set(astuple(choose_ports(third))) & set(first)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_minute_with_the_cloud_cut_for_twenty_seconds_and_the_broker_killed_once(tmp_path, models):
    file = tmp_path / "ledger.json"
    words = ("--for", "60s", "--ledger", str(file), "--fault", "cloud:10s:20s", "--fault", "broker:40s")
    with Demo(tmp_path, *words, "--models", str(models)) as demo:
        assert demo.process.wait(200) == 0, demo.output
        assert demo.has_gone(), demo.children()
        print(demo.output)
    counts = sound(file)
    print(json.dumps(counts, indent=2))
    assert counts["offered"] > 1200
    assert counts["decided"] > 0
