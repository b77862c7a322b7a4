"""Five kinds of simulated devices. Each is pure: a tick gives the values that it reports, `obey` takes what is asked.

The physics is small but coherent: heat comes in pulses and is taken away by the pump's speed, doors open and close,
a reefer warms when its door is open and cools towards its setpoint.
"""

from __future__ import annotations

import math
import random
from typing import Protocol

Values = dict[str, str]


class Kind(Protocol):
    """One device. `period` is the time between ticks in seconds; `plain` devices send telemetry, not twin updates."""

    model: str
    period: float
    plain: bool

    def tick(self, elapsed: float) -> Values: ...

    def obey(self, name: str, value: str) -> Values: ...


class Thermometer:
    """Reports `temperature` in °C: a room that is heated in pulses of a minute."""

    model = "thermometer"
    period = 1.0
    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._phase = self._random.random() * 60.0
        self._noise = 0.0

    def tick(self, elapsed: float) -> Values:
        self._noise = 0.8 * self._noise + self._random.gauss(0.0, 0.15)
        heat = max(0.0, math.sin((elapsed + self._phase) / 60.0 * 2.0 * math.pi))
        return {"temperature": f"{22.0 + 14.0 * heat + self._noise:.1f}"}

    def obey(self, name: str, value: str) -> Values:
        return {}


class Door:
    """Reports `open` when it changes and every ten seconds."""

    model = "door"
    period = 1.0
    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._open = False
        self._until = 3.0 + self._random.random() * 10.0
        self._told = -10.0

    def tick(self, elapsed: float) -> Values:
        changed = elapsed >= self._until
        if changed:
            self._open = not self._open
            self._until = elapsed + (self._random.uniform(4.0, 20.0) if self._open else self._random.uniform(8.0, 30.0))
        if not changed and elapsed - self._told < 10.0:
            return {}
        self._told = elapsed
        return {"open": "true" if self._open else "false"}

    def obey(self, name: str, value: str) -> Values:
        return {}


class Pump:
    """An actuator: takes a desired `speed` in percent, reports it and the `flow` in l/min that follows."""

    model = "pump"
    period = 2.0
    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._speed = 0

    def tick(self, elapsed: float) -> Values:
        return {"flow": f"{self._speed * 0.42 + abs(self._random.gauss(0.0, 0.05)):.2f}"}

    def obey(self, name: str, value: str) -> Values:
        if name != "speed":
            return {}
        self._speed = max(0, min(100, int(float(value))))
        return {"speed": value if str(self._speed) == value else str(self._speed)}


class Reefer:
    """A refrigerated container: `temperature`, `door`, `compressor`; takes a desired `setpoint` in °C."""

    model = "reefer"
    period = 1.0
    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._temperature = -17.0
        self._setpoint = -18.0
        self._door = Door(seed + 1)
        self._open = "false"

    def tick(self, elapsed: float) -> Values:
        self._open = self._door.tick(elapsed).get("open", self._open)
        goal = 4.0 if self._open == "true" else self._setpoint
        self._temperature += (goal - self._temperature) * 0.04 + self._random.gauss(0.0, 0.05)
        running = self._temperature > self._setpoint + 0.5
        return {
            "temperature": f"{self._temperature:.2f}",
            "door": self._open,
            "compressor": "true" if running else "false",
        }

    def obey(self, name: str, value: str) -> Values:
        if name != "setpoint":
            return {}
        self._setpoint = float(value)
        return {"setpoint": value}


class Vibration:
    """A sensor that knows nothing of twins: plain JSON with `rms` and `peak` in mm/s, five times a second."""

    model = "vibration"
    period = 0.2
    plain = True

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def tick(self, elapsed: float) -> Values:
        rms = 1.2 + 0.3 * math.sin(elapsed / 7.0) + abs(self._random.gauss(0.0, 0.05))
        return {"rms": f"{rms:.3f}", "peak": f"{rms * self._random.uniform(2.6, 3.4):.3f}"}

    def obey(self, name: str, value: str) -> Values:
        return {}


KINDS: dict[str, type[Thermometer | Door | Pump | Reefer | Vibration]] = {
    kind.model: kind for kind in (Thermometer, Door, Pump, Reefer, Vibration)
}
SHARES = {"thermometer": 6, "door": 4, "pump": 6, "reefer": 2, "vibration": 2}
PROPERTIES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "thermometer": (("temperature", "FLOAT", "ReadOnly", "°C"),),
    "door": (("open", "BOOLEAN", "ReadOnly", ""),),
    "pump": (("speed", "INT", "ReadWrite", "%"), ("flow", "FLOAT", "ReadOnly", "l/min")),
    "reefer": (
        ("temperature", "FLOAT", "ReadOnly", "°C"),
        ("setpoint", "FLOAT", "ReadWrite", "°C"),
        ("door", "BOOLEAN", "ReadOnly", ""),
        ("compressor", "BOOLEAN", "ReadOnly", ""),
    ),
    "vibration": (("rms", "FLOAT", "ReadOnly", "mm/s"), ("peak", "FLOAT", "ReadOnly", "mm/s")),
}


def roster(count: int) -> list[tuple[str, str]]:
    """Names and kinds of a fleet of `count` devices, kinds by `SHARES`, in a small one a kind each."""
    total = sum(SHARES.values())
    numbers = {kind: max(1, round(count * share / total)) for kind, share in SHARES.items()}
    if sum(numbers.values()) - numbers["thermometer"] >= count:
        numbers = dict.fromkeys(list(SHARES)[:count], 1)
    numbers["thermometer"] += count - sum(numbers.values())
    return [(f"{kind}-{n}", kind) for kind, number in numbers.items() for n in range(1, number + 1)]


def manifests(count: int, node: str, namespace: str = "default") -> list[dict[str, object]]:
    """KubeEdge's DeviceModel and Device objects for a fleet, as `kubectl apply` would send them."""
    models: list[dict[str, object]] = [
        {
            "apiVersion": "devices.kubeedge.io/v1beta1",
            "kind": "DeviceModel",
            "metadata": {"name": model, "namespace": namespace},
            "spec": {
                "protocol": "mqtt",
                "properties": [
                    {"name": name, "type": kind, "accessMode": access, **({"unit": unit} if unit else {})}
                    for name, kind, access, unit in properties
                ],
            },
        }
        for model, properties in PROPERTIES.items()
    ]
    devices: list[dict[str, object]] = [
        {
            "apiVersion": "devices.kubeedge.io/v1beta1",
            "kind": "Device",
            "metadata": {"name": name, "namespace": namespace, "labels": {"description": f"simulated-{kind}"}},
            "spec": {
                "deviceModelRef": {"name": kind},
                "nodeName": node,
                "protocol": {"protocolName": "mqtt"},
                "properties": [{"name": p[0], "reportToCloud": True} for p in PROPERTIES[kind]],
            },
        }
        for name, kind in roster(count)
    ]
    return models + devices
