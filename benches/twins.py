"""What does it cost to decide: an update through the twins, and the bytes that go to disk?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benches.figures import Figure, rate, show
from benches.messages import joined, updates
from twins.stimuli import Updated
from twins.twin import Twins

DEVICES = 100
COUNT = 5000


def main(quick: bool = False) -> list[Figure]:
    """Updates of four properties a second on one core."""
    seconds = 0.3 if quick else 1.5
    fresh = updates(COUNT, DEVICES)
    same = updates(COUNT, DEVICES, changing=False)
    warm = joined(DEVICES)
    _handled(warm, fresh)

    def encoded() -> int:
        for stimulus in fresh:
            warm.encoded(stimulus.device)
        return COUNT

    figures = [
        Figure("twins: 4 changed values", rate(lambda: _handled(joined(DEVICES), fresh), seconds), "msg/s"),
        Figure("twins: 4 unchanged values", rate(lambda: _handled(joined(DEVICES), same), seconds), "msg/s"),
        Figure("twins: a repeat, answered again", rate(lambda: _handled(warm, fresh), seconds), "msg/s"),
        Figure("twins: an unknown device, refused", rate(lambda: _handled(Twins(), fresh), seconds), "msg/s"),
        Figure("twins: a twin of 4 properties as bytes for the disk", rate(encoded, seconds), "twins/s"),
    ]
    show("twins: stimuli to instructions", figures)
    return figures


def _handled(twins: Twins, stimuli: Sequence[Updated]) -> int:
    handle = twins.handle
    for stimulus in stimuli:
        handle(stimulus)
    return len(stimuli)


if __name__ == "__main__":
    main("--quick" in sys.argv)
