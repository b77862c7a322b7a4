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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from benches.figures import Figure, show
from benches.load import Outcome
from benches.stage import OFF, ROOT, cpu_seconds, end, free_port, gateway, mosquitto, running, waited

RULE = ROOT / "docs" / "examples" / "rules" / "overheat.yaml"
PROPERTIES = {"temperature": "FLOAT", "humidity": "INT", "voltage": "FLOAT", "door": "STRING"}


LOADS = ((64, 1), (64, 10), (64, 100), (256, 1), (256, 10), (256, 100), (256, 1000))
QUICK = ((64, 10), (256, 10))
"""Messages in flight, and devices."""


class Run(Struct, frozen=True):
    """One run against a gateway; `cpu` is the processor time that it took for a message, in microseconds."""

    name: str
    outcome: Outcome
    cpu: float

    def figures(self, bare: Outcome, rate: str, ratio: str) -> list[Figure]:
        return [
            Figure(self.name, self.outcome.rate, "msg/s", rate),
            *_latency(self.name, self.outcome),
            Figure(f"{self.name}: gateway's processor time a message", self.cpu, "µs"),
            Figure(f"{self.name}: part of the bare loop's rate", self.outcome.rate / bare.rate, "", ratio),
        ]


def main(quick: bool = False) -> list[Figure]:
    """A bare loop runs right before the gateways it is the yardstick of."""
    seconds = 2.0 if quick else 6.0
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        place = Path(folder)
        figures, best = _fast(place, QUICK if quick else LOADS, seconds)
        half = _gateway(place, "gateway at half of its best rate, 10 devices", 10, 256, seconds, pace=best / 2)
        figures.append(Figure(half.name, half.outcome.rate, "msg/s"))
        figures += _latency(half.name, half.outcome, ("≤ 3", "≤ 15"))
        figures += _bursts(place, seconds)
        if not quick:
            figures += _joined(place, seconds) + _steady(place, seconds)
    show("end to end: twin updates of 4 properties through mosquitto, answered at QoS 1", figures)
    return figures


def _fast(folder: Path, loads: Sequence[tuple[int, int]], seconds: float) -> tuple[list[Figure], float]:
    """Each window's bare loop and gateways; and the best rate of those."""
    figures, best = [], 0.0
    for window in sorted({window for window, _ in loads}):
        bare = _bare(folder, window, seconds)
        figures.append(Figure(f"bare loop, mqtt5, {window} in flight, 10 devices", bare.rate, "msg/s"))
        for devices in [devices for each, devices in loads if each == window]:
            run = _gateway(folder, f"gateway, {window} in flight, {devices} devices", devices, window, seconds)
            figures += run.figures(bare, "≥ 13,000" if window == 256 else "", "≥ 0.5")
            best = max(best, run.outcome.rate)
    return figures, best


def _bursts(folder: Path, seconds: float) -> list[Figure]:
    """Twenty updates in a row to a device, then to the next: the last one's value has to stay."""
    run = _gateway(folder, "bursts of 20 updates, 256 in flight, 50 devices", 50, 256, seconds, more=("--burst", "20"))
    o = run.outcome
    bursts = -(-o.sent // 20)
    return [Figure(run.name, o.rate, "msg/s"), Figure(f"{run.name}: bursts", bursts, ""), *_faults(run.name, o)]


def _joined(folder: Path, seconds: float) -> list[Figure]:
    """With the stand-in cloud, which takes its part of the two cores."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        ports = {option: free_port() for option in ("--https", "--ws", "--api")}
        options = [word for option, port in ports.items() for word in (option, str(port))]
        sections = (
            f'[cloud]\nkind = "cloudcore"\nurl = "wss://127.0.0.1:{ports["--ws"]}"\n'
            f'register_url = "https://127.0.0.1:{ports["--https"]}"\ntoken_file = "{name}/token"\n'
        )
        with running("simulator", "cloudcore", "--data", name, "--node", "edge-1", *options):
            if not waited(lambda: (Path(name) / "token").exists(), 15.0):
                sys.exit("the stand-in cloud did not start")
            bare = _bare(folder, 256, seconds)
            run = _gateway(folder, "gateway and cloud, 256 in flight, 10 devices", 10, 256, seconds, sections=sections)
        heard = Path(name) / "received.jsonl"
        if not heard.exists() or not heard.stat().st_size:
            sys.exit("the cloud heard nothing of the gateway: it was not joined")
    return run.figures(bare, "≥ 13,000", "≥ 0.5")


def _steady(folder: Path, seconds: float) -> list[Figure]:
    """Over aiomqtt, the link for brokers that speak MQTT 3.1.1."""
    bare = _bare(folder, 256, seconds, "aiomqtt")
    name = "gateway over aiomqtt, 256 in flight, 10 devices"
    run = _gateway(folder, name, 10, 256, seconds, protocol="3.1.1")
    yardstick = Figure("bare loop, aiomqtt, 256 in flight, 10 devices", bare.rate, "msg/s")
    return [yardstick, *run.figures(bare, "", "≥ 0.6")]


def _gateway(
    folder: Path,
    name: str,
    devices: int,
    window: int,
    seconds: float,
    *,
    pace: float = 0.0,
    sections: str = "",
    protocol: str = "5",
    more: Sequence[str] = (),
) -> Run:
    """One run against a fresh gateway."""
    with tempfile.TemporaryDirectory(dir=folder) as path:
        place = Path(path)
        (place / "devices.yaml").write_text(manifests(devices), "utf-8")
        with mosquitto(place) as port:
            broker = f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\nprotocol = "{protocol}"\n[log]\nlevel = "warning"\n'
            applied = ("--apply", str(place / "devices.yaml"), "--apply", str(RULE))
            with gateway(place, f"{broker}{OFF}{sections}", *applied) as gemelo:
                used = cpu_seconds(gemelo.process.pid)
                outcome = load(port, devices, window, seconds, pace, "--check", *more)
                used = cpu_seconds(gemelo.process.pid) - used
    return Run(name, outcome, used / max(1, outcome.answered) * 1e6)


def _bare(folder: Path, window: int, seconds: float, link: str = "mqtt5") -> Outcome:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        with mosquitto(place) as port, _bare_loop(port, place, link):
            return load(port, 10, window, seconds)


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


def load(port: int, devices: int, window: int, seconds: float, pace: float = 0.0, *more: str) -> Outcome:
    command = [sys.executable, "-m", "benches.load", str(port), "--devices", str(devices), "--in-flight", str(window)]
    command += ["--seconds", str(seconds), "--rate", str(pace), *more]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 90)
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.refused:
        print(f"warning: {outcome.refused} updates were refused")
    return outcome


def _latency(name: str, outcome: Outcome, targets: tuple[str, str] = ("", "")) -> list[Figure]:
    return [
        Figure(f"{name}: p50", outcome.p50, "ms", targets[0]),
        Figure(f"{name}: p99", outcome.p99, "ms", targets[1]),
        *_faults(name, outcome),
    ]


def _faults(name: str, outcome: Outcome) -> list[Figure]:
    """What must not be, and the answers' quality of service."""
    return [
        Figure(f"{name}: unanswered of {outcome.sent}", outcome.unanswered, "", "0"),
        Figure(f"{name}: answered out of order", outcome.disordered, "", "0"),
        Figure(f"{name}: devices with a wrong last value", outcome.wrong, "", "0"),
        Figure(f"{name}: QoS of the answers", outcome.qos, ""),
    ]


def manifests(devices: int) -> str:
    """A model and its devices, as KubeEdge's YAML has them."""
    api = "apiVersion: devices.kubeedge.io/v1beta1"
    properties = "".join(f"    - {{name: {name}, type: {kind}}}\n" for name, kind in PROPERTIES.items())
    model = f"{api}\nkind: DeviceModel\nmetadata: {{name: thermometer}}\nspec:\n  properties:\n{properties}"
    spec = "spec: {deviceModelRef: {name: thermometer}}\n"
    names = [f"---\n{api}\nkind: Device\nmetadata: {{name: thermometer-{n}}}\n{spec}" for n in range(devices)]
    return model + "".join(names)


if __name__ == "__main__":
    main("--quick" in sys.argv)
