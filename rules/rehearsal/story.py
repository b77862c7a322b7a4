"""How a rule came to what it did, in lines for people; times are counted from a beginning."""

from __future__ import annotations

from collections.abc import Iterator

from rules.explain import Effect, Evaluation, Verdict
from rules.expression import show


def story(evaluation: Evaluation, start: int) -> str:
    """One evaluation: what set it off, what each condition saw, what was chosen and what came of it."""
    return "\n".join(_lines(evaluation, start))


def span(length: int) -> str:
    """A length of time in seconds, as a test writes it."""
    return f"{show(length / 1e6)}s"


def _lines(evaluation: Evaluation, start: int) -> Iterator[str]:
    e = evaluation
    value = "" if e.value is None else f" = {show(e.value)}"
    yield f"at {span(e.at - start)}: {e.key}: {e.trigger.partition('@')[0]}{value}"
    for verdict in e.verdicts:
        yield f"  {verdict.label}: {verdict.source} = {_outcome(verdict)}"
    moved = f", {e.before} → {e.after}" if e.before != e.after else ""
    yield f"  chosen: {e.chosen or 'nothing'}{moved}"
    for effect in e.effects:
        yield f"  {_effect(effect, start)}"


def _outcome(verdict: Verdict) -> str:
    given = ", ".join(f"{name} = {show(value)}" for name, value in verdict.given.items())
    outcome = f"false: {verdict.fault}" if verdict.fault else str(verdict.holds).lower()
    return f"{outcome} ({given})" if given else outcome


def _effect(effect: Effect, start: int) -> str:
    if effect.kind == "wake":
        return f"timer {effect.target} until {span(effect.at - start)}"
    if effect.kind == "clear":
        return f"timer {effect.target} cleared"
    value = f" = {effect.value}" if effect.kind in {"set", "assign"} else f": {effect.value}"
    return f"{effect.kind} {effect.target}{value}"
