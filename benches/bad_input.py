"""What does bad input cost, from bytes to what is published? Every row of `tests/bad_input.py`, in both modes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

from benches.figures import Figure, show
from benches.messages import NOW
from devices.mqtt import telemetry
from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from tests.bad_input import MAPPINGS, ROWS, Good, Row
from twins.errors import Rejected
from twins.kubeedge import Reader, Writer
from twins.schema import decode
from twins.stimuli import Joined, Stimulus
from twins.twin import Twins
from twins.values import PROPERTIES

LIMIT = 5.0
"""Milliseconds that a row may cost."""
DEVICE = "default/d1"


class Edge:
    """The doors of one mode, without broker and disk: what a message costs the gateway's process."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._mappings = Mappings()
        for manifest in MAPPINGS:
            mapping = decode(manifest, Mapping, "bench")
            self._mappings.apply(mapping.id, mapping)

    def cost(self, row: Row, runs: int) -> list[float]:
        """Processor time in µs of each of some runs: a device that just joined says what the row says."""
        topic = row.topic.replace("$D", f"$hw/events/device/{DEVICE}").replace("$NAME", "d1")
        return [self._run(topic, row.body) for _ in range(runs)]

    def _run(self, topic: str, body: bytes) -> float:
        twins = Twins(strict=self.strict, enrols=True)
        reader, writer = Reader("edge-1", strict=self.strict), Writer("edge-1", strict=self.strict)
        twins.handle(Joined(DEVICE, "bench", NOW, {}))
        read: Callable[[str, bytes, str, int], object] = reader.read
        if not topic.startswith("$"):
            read = telemetry.read if topic.startswith(telemetry.PREFIX) else self._mappings.read
        began = time.process_time_ns()
        for stimulus in _stimuli(read, topic, body):
            for instruction in twins.handle(stimulus):
                writer.write(instruction, NOW)
            twins.encoded(stimulus.device)
        return (time.process_time_ns() - began) / 1000


def _largest() -> Row:
    """The dearest good message: as many properties as a twin may have, all of them new."""
    body = b",".join(b'"%x":{"actual":{"value":"1"}}' % n for n in range(PROPERTIES))
    return Row("the largest good message", b'{"event_id":"e","twin":{' + body + b"}}", Good())


def _stimuli(read: Callable[[str, bytes, str, int], object], topic: str, body: bytes) -> list[Stimulus]:
    try:
        found = read(topic, body, "bench", NOW)
    except Rejected:
        return []
    if found is None:
        return []
    return [found] if isinstance(found, Stimulus) else list(found)  # type: ignore[call-overload]


def main(quick: bool = False) -> list[Figure]:
    """Each row's median and largest cost; as figures the dearest rows of each mode."""
    runs = 3 if quick else 15
    figures: list[Figure] = []
    for mode in ("default", "strict"):
        edge = Edge(strict=mode == "strict")
        costs = {row.says: sorted(edge.cost(row, runs)) for row in ROWS}
        print(f"bad input, {mode} mode: {len(ROWS)} rows, {runs} runs each, µs of processor time")
        for says, found in costs.items():
            print(f"  {says[:70]:72}median {median(found):9,.0f}  max {found[-1]:9,.0f}")
        dearest = sorted(costs, key=lambda says: median(costs[says]))[-3:]
        limit = f"≤ {LIMIT * 1000:,.0f}"
        figures.append(Figure(f"bad input, {mode}: the median row", median(map(median, costs.values())), "µs"))
        figures += [
            Figure(f"bad input, {mode}: {says}", median(costs[says]), "µs", limit) for says in reversed(dearest)
        ]
        largest = median(edge.cost(_largest(), runs))
        figures.append(Figure(f"bad input, {mode}: for comparison, 4,096 new values that are good", largest, "µs"))
    show("bad input: the dearest rows", figures)
    return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
