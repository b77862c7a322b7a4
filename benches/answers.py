"""What does it cost to write what was decided as MQTT messages: results, documents, deltas, refusals?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benches.figures import Figure, rate, show
from benches.messages import NOW, joined, updates
from twins.instructions import Delta, Instruction, Refuse, Revision
from twins.kubeedge import Writer
from twins.stimuli import Edit, Updated
from twins.twin import Twins

DEVICES = 100
COUNT = 2000


def main(quick: bool = False) -> list[Figure]:
    """Instructions of four properties written a second on one core."""
    seconds = 0.3 if quick else 1.5
    twins = joined(DEVICES)
    updated = [i for stimulus in updates(COUNT, DEVICES) for i in twins.handle(stimulus)]
    asked = [i for n in range(COUNT) for i in twins.handle(_asked(n))]
    refused = [i for stimulus in updates(COUNT, DEVICES) for i in Twins().handle(stimulus)]
    figures = [
        _figure("result and document", [i for i in updated if isinstance(i, Revision)], seconds),
        _figure("delta", [i for i in asked if isinstance(i, Delta)], seconds),
        _figure("refusal", [i for i in refused if isinstance(i, Refuse)], seconds),
        _figure("all that an update means", updated, seconds, COUNT),
    ]
    show("answers: instructions to MQTT messages", figures)
    return figures


def _figure(name: str, instructions: Sequence[Instruction], seconds: float, count: int = 0) -> Figure:
    writer = Writer("edge-1")

    def write() -> int:
        for instruction in instructions:
            writer.write(instruction, NOW)
        return count or len(instructions)

    return Figure(f"answers: {name}", rate(write, seconds), "msg/s" if not count else "updates/s")


def _asked(n: int) -> Updated:
    edits: dict[str, Edit | None] = {"temperature": Edit(desired=f"{n}.75")}
    return Updated(f"default/thermometer-{n % DEVICES}", f"api:1:{n}", NOW + n, edits, NOW + n, origin="edge")


if __name__ == "__main__":
    main("--quick" in sys.argv)
