"""What a rule decided and why, in words for the page: short lines, conditions marked as they came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.explain import Evaluation
from rules.instructions import Command, Instruction, Raise, Wake
from rules.state import HOLD


def decision(evaluation: Evaluation) -> str:
    """What was chosen, where it led, what was asked and told: `cool: Normal → Hot · asked default/pump-2: speed = 8`"""
    e = evaluation
    moved = f": {e.before} → {e.after}" if e.before != e.after else ""
    return " · ".join([f"{e.chosen or 'nothing'}{moved}", *_effects(e.instructions)])


def why(evaluations: Iterable[Evaluation]) -> str:
    """Lines: each evaluation with its trigger, then its conditions (✓ held, ✗ did not), then what followed."""
    return "\n".join(line for evaluation in evaluations for line in _lines(evaluation))


def _lines(e: Evaluation) -> Iterator[str]:
    yield f"{e.key}: {_trigger(e.trigger)}"
    for verdict in e.verdicts:
        yield f"{'✓' if verdict.holds else '✗'} {verdict.source}{f' ({verdict.fault})' if verdict.fault else ''}"
    for each in e.instructions:
        if type(each) is Wake and each.due is not None:
            yield f"→ {_timer(each)} in {_length(each.due + e.ahead - e.at)}"
    if e.chosen:
        yield f"→ {decision(e)}"


def _effects(instructions: Iterable[Instruction]) -> Iterator[str]:
    for each in instructions:
        match each:
            case Command(device, values):
                asked = ", ".join(f"{name} = {value}" for name, value in values.items())
                yield f"asked {device}: {asked}"
            case Raise(event):
                yield f"told: {event.message}"
            case _:
                pass


def _trigger(trigger: str) -> str:
    """`timer patience@1760…` is `timer patience was due`; the name of an input or a schedule says that it came."""
    if not trigger.startswith("timer "):
        return f"{trigger.partition('@')[0]} came"
    name = trigger.removeprefix("timer ").rpartition("@")[0]
    return f"it held long enough for {name.removeprefix(HOLD)}" if name.startswith(HOLD) else f"timer {name} was due"


def _timer(wake: Wake) -> str:
    name = wake.timer.rpartition("#")[2]
    return f"{name.removeprefix(HOLD)} if it still holds" if name.startswith(HOLD) else f"timer {name}"


def _length(micros: int) -> str:
    seconds = micros / 1e6
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"
