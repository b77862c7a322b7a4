"""What a rule decided and why, in words for the page: short lines, conditions marked as they came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.explain import Effect, Evaluation, Verdict
from rules.state import HOLD
from rules.values import filled, said


def decision(evaluation: Evaluation) -> str:
    """What was chosen, where it led, what was asked and told: `cool: Normal → Hot · asked default/pump-2: speed = 8`"""
    e = evaluation
    moved = f": {e.before} → {e.after}" if e.before != e.after else ""
    return " · ".join([f"{e.chosen or 'nothing'}{moved}", *(said for each in e.effects if (said := effect(each)))])


def why(evaluations: Iterable[Evaluation]) -> str:
    """Lines: each evaluation with its trigger, then its conditions (✓ held, ✗ did not), then what followed."""
    return "\n".join(line for evaluation in evaluations for line in _lines(evaluation))


def condition(verdict: Verdict) -> str:
    """`temperature > limit: 81.5 > 60`, or why it counts as false."""
    seen = filled(verdict.source, verdict.given)
    values = f": {seen}" if seen != verdict.source else ""
    return f"{verdict.source}{values}{f' ({verdict.fault})' if verdict.fault else ''}"


def effect(each: Effect) -> str:
    """What was asked of a device or told to people; empty for what is between the rule and its timers and variables."""
    match each.kind:
        case "set":
            namespace, device, name = each.target.split("/", 2)
            return f"asked {namespace}/{device}: {name} = {each.value}"
        case "alert":
            return f"told: {each.value}"
        case "do" | "spare":
            return each.value
        case "wake" | "clear" | "assign":
            return ""
    return f"{each.kind}: {each.value}"


def came(evaluation: Evaluation) -> str:
    """`temperature came: 81.5`, `schedule six came`, `timer patience was due`."""
    e = evaluation
    if not e.trigger.startswith("timer "):
        return f"{e.trigger.partition('@')[0]} came{'' if e.value is None else f': {said(e.value)}'}"
    name = e.trigger.removeprefix("timer ").rpartition("@")[0]
    return f"it held long enough for {name.removeprefix(HOLD)}" if name.startswith(HOLD) else f"timer {name} was due"


def wish(each: Effect, at: int) -> str:
    """Any effect of an evaluation at `at`, timers too."""
    name = each.target
    match each.kind, name.startswith(HOLD):
        case "wake", held:
            began = f"{name.removeprefix(HOLD)} if it still holds" if held else f"timer {name}"
            return f"{began} in {_length(each.at - at)}"
        case "clear", held:
            return f"{name.removeprefix(HOLD)} waits no more" if held else f"timer {name} stopped"
        case "assign", _:
            return f"{name} = {each.value}"
    return effect(each)


def _lines(e: Evaluation) -> Iterator[str]:
    yield f"{e.key}: {came(e)}"
    yield from (f"{'✓' if verdict.holds else '✗'} {condition(verdict)}" for verdict in e.verdicts)
    yield from (f"→ {wish(each, e.at)}" for each in e.effects if each.kind == "wake")
    if e.chosen:
        yield f"→ {decision(e)}"


def _length(micros: int) -> str:
    seconds = micros / 1e6
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"
