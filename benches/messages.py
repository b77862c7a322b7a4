"""The messages that the benches of single parts use: updates of four new values each, as the load of `end_to_end`."""

from __future__ import annotations

from twins.kubeedge import Reader
from twins.stimuli import Joined, Updated
from twins.twin import Twins
from twins.values import Declared

DECLARED = {
    "temperature": Declared("float"),
    "humidity": Declared("int"),
    "voltage": Declared("float"),
    "door": Declared("string"),
}
NOW = 1_700_000_000_000_000


def topic(device: int) -> str:
    return f"$hw/events/device/default/thermometer-{device}/twin/update"


def payload(n: int, step: int) -> bytes:
    """Message `n`; another `step` gives other values."""
    return (
        f'{{"event_id":"{n}","timestamp":{NOW // 1000 + n},"twin":{{'
        f'"temperature":{{"actual":{{"value":"{step % 30}.25"}},"metadata":{{"type":"float"}}}},'
        f'"humidity":{{"actual":{{"value":"{step % 101}"}},"metadata":{{"type":"int"}}}},'
        f'"voltage":{{"actual":{{"value":"3.{step % 1000:03}"}},"metadata":{{"type":"float"}}}},'
        f'"door":{{"actual":{{"value":"{"open" if step % 2 else "shut"}"}},"metadata":{{"type":"string"}}}}}}}}'
    ).encode()


def updates(count: int, devices: int, *, changing: bool = True) -> list[Updated]:
    """Stimuli of `count` messages, round robin over `devices`."""
    reader = Reader("edge-1")
    found = []
    for n in range(count):
        stimulus = reader.read(topic(n % devices), payload(n, n // devices if changing else 0), f"mqtt:1:{n}", NOW + n)
        assert isinstance(stimulus, Updated)
        found.append(stimulus)
    return found


def joined(devices: int) -> Twins:
    """Twins of so many declared devices."""
    twins = Twins()
    for n in range(devices):
        twins.handle(Joined(f"default/thermometer-{n}", f"manifest:1:{n}", NOW, DECLARED))
    return twins
