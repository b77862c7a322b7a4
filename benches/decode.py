"""What does it cost to read a message: topic and body to a stimulus, with all limits checked?"""

from __future__ import annotations

import sys

from benches.figures import Figure, rate, show
from benches.messages import NOW, payload, topic
from devices.mqtt import telemetry
from twins.kubeedge import Reader

COUNT = 2000


def main(quick: bool = False) -> list[Figure]:
    """Messages a second on one core."""
    seconds = 0.3 if quick else 1.5
    reader = Reader("edge-1")
    messages = [(topic(n % 100), payload(n, n)) for n in range(COUNT)]
    values = [b'{"temperature": %d.5, "door": "open"}' % n for n in range(COUNT)]
    plain = [(f"gemelo/telemetry/default/t-{n % 100}", value) for n, value in enumerate(values)]

    def updates() -> int:
        for name, body in messages:
            reader.read(name, body, "mqtt:1:1", NOW, packet=7)
        return COUNT

    def bad() -> int:
        for name, body in messages:
            reader.read(name, body[:-1], "mqtt:1:1", NOW, packet=7)
        return COUNT

    def readings() -> int:
        for name, body in plain:
            telemetry.read(name, body, "mqtt:1:1", NOW, packet=7)
        return COUNT

    figures = [
        Figure("decode: twin update of 4 properties", rate(updates, seconds), "msg/s"),
        Figure("decode: the same, cut off", rate(bad, seconds), "msg/s"),
        Figure("decode: plain telemetry of 2 values", rate(readings, seconds), "msg/s"),
    ]
    show("decode: MQTT messages to stimuli", figures)
    return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
