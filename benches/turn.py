"""What does the sequencer spend on an update: twins, points, a rule that reads one of the four values, the batch?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import yaml

from benches.figures import Figure, rate, show
from benches.messages import joined, updates
from benches.stage import ROOT
from gateway.chains import Chains
from gateway.timers import Timers
from gateway.turn import Counts, Turn
from gateway.waits import Waits
from gateway.watch import Watch
from rules.manifest import detector
from rules.rules import Rules
from runtime.clock import SystemClock
from streams.streams import Streams
from twins.stimuli import Updated

DEVICES = 100
COUNT = 5000
RULE = ROOT / "docs" / "examples" / "rules" / "overheat.yaml"


def main(quick: bool = False) -> list[Figure]:
    """Updates a second on one core, in turns of as many as come together under load."""
    seconds = 0.3 if quick else 1.5
    fresh = updates(COUNT, DEVICES)
    without, ruled = Rules(), Rules()
    ruled.apply(detector.decode(yaml.safe_load(RULE.read_text("utf-8"))))
    figures = [
        Figure("turn: without rules, 64 together", rate(lambda: _turns(without, fresh, 64), seconds), "msg/s"),
        Figure("turn: a rule reads one value, 64 together", rate(lambda: _turns(ruled, fresh, 64), seconds), "msg/s"),
        Figure("turn: a rule reads one value, alone", rate(lambda: _turns(ruled, fresh, 1), seconds), "msg/s"),
    ]
    show("turn: stimuli to one batch", figures)
    return figures


def _turns(rules: Rules, stimuli: Sequence[Updated], together: int) -> int:
    twins, timers, counts = joined(DEVICES), Timers(SystemClock()), Counts()
    for start in range(0, len(stimuli), together):
        turn = Turn(twins, rules, Streams(), timers, Waits(), Chains(), Watch(), counts)
        for stimulus in stimuli[start : start + together]:
            turn.take((stimulus,))
        turn.close()
    return len(stimuli)


if __name__ == "__main__":
    main("--quick" in sys.argv)
