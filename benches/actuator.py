"""How long from a sensor's value to the actuator's message, over MQTT, when every value is a decision?

Broker (a real mosquitto), gateway and plant are processes of their own. Each value is durable, evaluated by an instance
of its sensor's, and answered in two ways: the rule publishes (a row of the outbox, kept with the decision, and deleted
with its record when the broker has it), or sets a desired value (the device's delta). Each is on disk before it leaves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benches.figures import Figure, show
from benches.sensors import Outcome
from benches.stage import OFF, ROOT, cpu_seconds, gateway, mosquitto

DEVICES = 100
RATES = (1000.0, 2000.0)
"""Values a second."""
_RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {{name: light}}
spec:
  inputs:
    t: {{device: "sensor-*", property: t}}
  initial: Watching
  states:
    Watching:
      onInput:
        events:
          - name: light
            when: t > 0.0
            do: [{action}]
"""
WAYS = {
    "publish": ("{publish: {topic: 'lamp/${part(device, \"-\", 1)}', payload: '${t}'}}", "lamp/+"),
    "set": (
        "{set: {device: 'lamp-${part(device, \"-\", 1)}', property: level, value: t}}",
        "$hw/events/device/default/+/twin/update/delta",
    ),
}
"""What the rule does, and where its actuators hear of it."""


def main(quick: bool = False) -> list[Figure]:
    seconds, rates = (2.0, RATES[:1]) if quick else (15.0, RATES)
    figures = [figure for way in WAYS for rate in rates for figure in _run(way, rate, seconds)]
    show("actuator: sensor → rule → actuator over mosquitto, durable", figures)
    return figures


def _run(way: str, rate: float, seconds: float) -> list[Figure]:
    action, hear = WAYS[way]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as name:
        folder = Path(name)
        (folder / "devices.yaml").write_text(_manifests(), "utf-8")
        (folder / "rule.yaml").write_text(_RULE.format(action=action), "utf-8")
        applied = ("--apply", str(folder / "devices.yaml"), "--apply", str(folder / "rule.yaml"))
        with mosquitto(folder) as port:
            sections = f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\n[log]\nlevel = "warning"\n{OFF}'
            with gateway(folder, sections, *applied) as gemelo:
                used = cpu_seconds(gemelo.process.pid)
                outcome = _plant(port, seconds, rate, hear)
                used = cpu_seconds(gemelo.process.pid) - used
    return _figures(f"actuator: {way}, {rate:,.0f} values a second", way, rate, outcome, used)


def _plant(port: int, seconds: float, rate: float, hear: str) -> Outcome:
    command = [sys.executable, "-m", "benches.sensors", str(port), "--devices", str(DEVICES), "--hear", hear]
    command += ["--seconds", str(seconds), "--rate", str(rate)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    return msgspec.json.decode(done.stdout, type=Outcome)


def _figures(name: str, way: str, rate: float, outcome: Outcome, used: float) -> list[Figure]:
    target = "≤ 20" if rate == RATES[0] else ""
    merged = "" if way == "set" else "0"  # a delta tells what is desired now: two values may be one delta
    return [
        Figure(f"{name}: p50", outcome.p50, "ms"),
        Figure(f"{name}: p99", outcome.p99, "ms", target),
        Figure(f"{name}: worst", outcome.worst, "ms"),
        Figure(f"{name}: of {outcome.sent} without a message", outcome.lost, "", merged),
        Figure(f"{name}: messages that came again", outcome.again, "", "0"),
        Figure(f"{name}: gateway's processor time a value", used / outcome.sent * 1e6, "µs"),
    ]


def _manifests() -> str:
    """A model of each kind and its devices, as KubeEdge's YAML has them."""
    api = "apiVersion: devices.kubeedge.io/v1beta1"
    parts = []
    for kind, name in (("sensor", "t"), ("lamp", "level")):
        properties = f"spec: {{properties: [{{name: {name}, type: FLOAT, accessMode: ReadWrite}}]}}"
        parts.append(f"{api}\nkind: DeviceModel\nmetadata: {{name: {kind}}}\n{properties}\n")
        spec = f"spec: {{deviceModelRef: {{name: {kind}}}}}\n"
        parts += [f"{api}\nkind: Device\nmetadata: {{name: {kind}-{n}}}\n{spec}" for n in range(DEVICES)]
    return "---\n".join(parts)


if __name__ == "__main__":
    main("--quick" in sys.argv)
