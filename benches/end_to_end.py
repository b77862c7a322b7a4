"""How many twin updates a second does the whole gateway answer, beside a bare loop in the same run?

Broker (a real mosquitto), gateway and load are processes of their own on this machine. Every update has four new
values, is durable (`synchronous=FULL`), answered and documented at QoS 1; its points are stored and a rule reads it.
The yardstick is `benches.bare`: decode, one commit, publish, acknowledge, and nothing else. The rate depends on the
machine; the ratio hardly does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benches.figures import Figure, show
from benches.load import Outcome
from benches.stage import OFF, ROOT, cpu_seconds, end, gateway, mosquitto

RULE = ROOT / "docs" / "examples" / "rules" / "overheat.yaml"
PROPERTIES = {"temperature": "FLOAT", "humidity": "INT", "voltage": "FLOAT", "door": "STRING"}


def main(quick: bool = False) -> list[Figure]:
    """Ratios come from runs that follow each other at once: bare loop, gateway, bare loop."""
    seconds = 2.0 if quick else 6.0
    figures: list[Figure] = []
    loads = (
        [(64, 10), (256, 10)] if quick else [(64, 1), (64, 10), (64, 100), (256, 1), (256, 10), (256, 100), (256, 1000)]
    )
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        place = Path(folder)
        bare = {window: _bare(place, window, seconds) for window in (64, 256)}
        figures += [_rate(f"bare loop, mqtt5, {window} in flight", outcome) for window, outcome in bare.items()]
        best = 0.0
        for window, devices in loads:
            outcome, shares = _gateway(place, devices, window, seconds)
            target = "≥ 13,000" if window == 256 else ""
            name = f"gateway, {window} in flight, {devices} devices"
            figures += [_rate(name, outcome, target), *_latency(name, outcome), *shares]
            figures.append(Figure(f"{name}: of the bare loop", outcome.rate / bare[window].rate, "", "≥ 0.5"))
            best = max(best, outcome.rate)
        paced, _ = _gateway(place, 10, 256, seconds, pace=best / 2)
        name = "gateway at half of its best rate, 10 devices"
        figures += [_rate(name, paced), *_latency(name, paced, ("≤ 3", "≤ 15"))]
    show("end to end: twin updates of 4 properties through mosquitto, answered at QoS 1", figures)
    return figures


def _gateway(
    folder: Path, devices: int, window: int, seconds: float, pace: float = 0.0
) -> tuple[Outcome, list[Figure]]:
    """One run against a fresh gateway; its part of a core, and the broker's."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        (place / "devices.yaml").write_text(_manifests(devices), "utf-8")
        with mosquitto(place) as port:
            sections = f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\n[log]\nlevel = "warning"\n{OFF}'
            with gateway(place, sections, "--apply", str(place / "devices.yaml"), "--apply", str(RULE)) as running:
                began, used = time.perf_counter(), cpu_seconds(running.process.pid)
                outcome = _load(port, devices, window, seconds, pace)
                share = (cpu_seconds(running.process.pid) - used) / (time.perf_counter() - began)
    return outcome, [Figure(f"gateway, {window} in flight, {devices} devices: its part of a core", share, "")]


def _bare(folder: Path, window: int, seconds: float, link: str = "mqtt5") -> Outcome:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        with mosquitto(place) as port, _bare_loop(port, place, link):
            return _load(port, 10, window, seconds)


@contextmanager
def _bare_loop(port: int, folder: Path, link: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benches.bare", str(port), str(folder), link]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None  # asked for
    try:
        if process.stdout.readline() != b"ready\n":
            sys.exit("the bare loop did not start")
        yield
    finally:
        end(process)
        process.stdout.close()


def _load(port: int, devices: int, window: int, seconds: float, pace: float = 0.0) -> Outcome:
    command = [sys.executable, "-m", "benches.load", str(port), "--devices", str(devices), "--in-flight", str(window)]
    command += ["--seconds", str(seconds), "--rate", str(pace)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.refused:
        print(f"warning: {outcome.refused} updates were refused")
    return outcome


def _rate(name: str, outcome: Outcome, target: str = "") -> Figure:
    return Figure(name, outcome.rate, "msg/s", target)


def _latency(name: str, outcome: Outcome, targets: tuple[str, str] = ("", "")) -> list[Figure]:
    return [
        Figure(f"{name}: p50", outcome.p50, "ms", targets[0]),
        Figure(f"{name}: p99", outcome.p99, "ms", targets[1]),
        Figure(f"{name}: unanswered of {outcome.sent}", outcome.unanswered, "", "0"),
    ]


def _manifests(devices: int) -> str:
    """A model and its devices, as KubeEdge's YAML has them."""
    api = "apiVersion: devices.kubeedge.io/v1beta1"
    properties = "".join(f"    - {{name: {name}, type: {kind}}}\n" for name, kind in PROPERTIES.items())
    model = f"{api}\nkind: DeviceModel\nmetadata: {{name: thermometer}}\nspec:\n  properties:\n{properties}"
    spec = "spec: {deviceModelRef: {name: thermometer}}\n"
    names = [f"---\n{api}\nkind: Device\nmetadata: {{name: thermometer-{n}}}\n{spec}" for n in range(devices)]
    return model + "".join(names)


if __name__ == "__main__":
    main("--quick" in sys.argv)
