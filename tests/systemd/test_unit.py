"""The unit's rating, and real work under its system call filter: what a figure alone does not show."""

from __future__ import annotations

import ctypes.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import load

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "systemd/gemelo.service").read_text("utf-8")

CONFINED = """
import ctypes, os, subprocess, sys

def calls(group):
    lines = subprocess.check_output(["systemd-analyze", "syscall-filter", group], text=True).splitlines()
    for line in map(str.strip, lines[1:]):
        if line.startswith("@"):
            yield from calls(line)
        elif line and not line.startswith("#"):
            yield line

denied = {call for group in sys.argv[1].split() for call in calls(group)}
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
ALLOW, EPERM = 0x7FFF0000, 0x00050001
filter_ = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
rules = 0
for call in denied:
    number = seccomp.seccomp_syscall_resolve_name(call.encode())
    if number >= 0:
        rules += seccomp.seccomp_rule_add(filter_, ctypes.c_uint32(EPERM), number, 0) == 0
assert rules > 20 and seccomp.seccomp_load(filter_) == 0
try:
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    sys.exit("the filter does not work")
except PermissionError:
    pass
"""

MODEL = """
import numpy, openvino
model = openvino.Core().compile_model(sys.argv[2], "CPU", {"PERFORMANCE_HINT": "LATENCY"})
picture = numpy.random.default_rng(1).random(tuple(model.input(0).shape), dtype=numpy.float32) * 255
print([round(float(model(picture)[output].sum()), 3) for output in model.outputs])
"""

BROKER = """
import asyncio
from pathlib import Path
from devices.mqtt.broker import Broker, Settings
from runtime.clock import SystemClock

async def main():
    broker = Broker(Path(sys.argv[2]), Settings(port=int(sys.argv[3])), SystemClock())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(broker.run())
        await broker.ready()
        print(broker.state)
        task.cancel()

asyncio.run(main())
"""


def denied() -> str:
    """What the unit takes away, as it says it."""
    groups = re.findall(r"^SystemCallFilter=~(.*)$", UNIT, re.MULTILINE)
    assert groups
    assert "SystemCallErrorNumber=EPERM" in UNIT
    return " ".join(groups)


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(autouse=True)
def _systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")


@pytest.fixture
def _seccomp() -> None:
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed")


@pytest.mark.usefixtures("_seccomp")
def test_a_model_answers_the_same_under_the_units_filter(assets: Path) -> None:
    pytest.importorskip("openvino")
    model = str(assets / "models/face_yunet/face_yunet_320.xml")
    assert run(CONFINED + MODEL, denied(), model) == run("import sys" + MODEL, "", model)


@pytest.mark.usefixtures("_seccomp")
def test_the_broker_runs_under_the_units_filter(tmp_path: Path) -> None:
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        pytest.skip("mosquitto is not installed")
    assert run(CONFINED + BROKER, denied(), str(tmp_path), "0") == "up\n"


def test_the_unit_passes_systemds_check_and_its_figure_is_at_most_one_and_a_half() -> None:
    done = subprocess.run([ROOT / ".ci/units"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figure = re.search(r"gemelo\.service: ([0-9.]+) OK", done.stdout)
    assert figure is not None
    assert float(figure[1]) <= 1.5


def test_the_units_example_is_a_configuration_that_writes_only_where_the_unit_lets_it() -> None:
    config = load(ROOT / "systemd/gateway.toml")
    assert "StateDirectory=gemelo\n" in UNIT
    assert "RuntimeDirectory=gemelo\n" in UNIT
    for path in (config.store.path, config.inference.models):
        assert path.is_relative_to("/var/lib/gemelo")
    assert "\nMemoryDenyWriteExecute=" not in UNIT
