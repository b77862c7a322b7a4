"""Why did it do that: the last evaluations of each detector, in two bounded rings.

Evaluations that decided something have a ring of their own, so that a chatty sensor does not push a rare decision out.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from rules.instructions import Command, Instruction, Raise, Wake


class Verdict(Struct, frozen=True, gc=False):
    """One condition or value: where it stands, its source, what came out, and why it counts as false."""

    label: str
    source: str
    holds: bool
    fault: str = ""


class Evaluation(Struct, frozen=True):
    """One input or timer and what it led to. `chosen` names the events and the transition, in order, or is empty.

    Timers are due in a time that `at`, of the wall clock, is `ahead` of.
    """

    at: int
    cause: str
    key: str
    trigger: str
    before: str
    after: str
    chosen: str
    verdicts: tuple[Verdict, ...]
    instructions: tuple[Instruction, ...]
    ahead: int = 0

    @property
    def faults(self) -> int:
        """How many expressions had no usable value."""
        return sum(1 for verdict in self.verdicts if verdict.fault)


class Story:
    """The last evaluations of one detector, with the counts of all there were."""

    def __init__(self, length: int = 64) -> None:
        self.evaluations = 0
        self.decisions = 0
        self.faults = 0
        self._all: deque[tuple[int, Evaluation]] = deque(maxlen=length)
        self._decided: deque[tuple[int, Evaluation]] = deque(maxlen=length)

    def add(self, evaluation: Evaluation) -> None:
        self.evaluations += 1
        entry = self.evaluations, evaluation
        self._all.append(entry)
        if evaluation.verdicts:
            self.faults += evaluation.faults
        if evaluation.chosen:
            self.decisions += 1
            self._decided.append(entry)

    def last(self, key: str | None = None) -> list[Evaluation]:
        """What is remembered of one instance, or of all, oldest first."""
        both = dict((*self._decided, *self._all))
        return [both[number] for number in sorted(both) if key is None or both[number].key == key]

    def why(self, cause: str) -> list[Evaluation]:
        """The remembered evaluations that a cause led to."""
        return [evaluation for evaluation in self.last() if evaluation.cause == cause]


def tell(evaluation: Evaluation) -> str:
    """An evaluation as lines for people."""
    lines = [f"{evaluation.key}: {evaluation.trigger} ({evaluation.cause})"]
    for verdict in evaluation.verdicts:
        outcome = f"false: {verdict.fault}" if verdict.fault else str(verdict.holds).lower()
        lines.append(f"  {verdict.label}: {verdict.source} = {outcome}")
    moved = f", {evaluation.before} → {evaluation.after}" if evaluation.before != evaluation.after else ""
    lines.append(f"  chosen: {evaluation.chosen or 'nothing'}{moved}")
    lines += [f"  {line}" for each in evaluation.instructions if (line := _line(each, evaluation))]
    return "\n".join(lines)


def _line(instruction: Instruction, evaluation: Evaluation) -> str:
    """What it did to the world; empty for what only keeps the books."""
    match instruction:
        case Command(device, values):
            return f"asked of {device}: " + ", ".join(f"{name} = {value}" for name, value in values.items())
        case Raise(event):
            return f"told ({event.severity}): {event.message}"
        case Wake(timer, due):
            name = timer.rpartition("#")[2]
            return f"timer {name} cleared" if due is None else f"timer {name} set to {due + evaluation.ahead}"
        case _:
            return ""
