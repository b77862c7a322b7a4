"""Everything of a detector that is looked at, with its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from rules.manifest import action as manifest
from rules.manifest.detector import Detector, Step, Transition

Role = Literal["condition", "value", "text", "number"]


class Use(Struct, frozen=True):
    """An expression, or text with expressions, where it stands. `variable` is what its value is assigned to."""

    path: str
    source: str
    role: Role
    variable: str = ""


def uses(detector: Detector) -> Iterator[Use]:
    """Every expression of a detector."""
    yield Use("spec.key", detector.spec.key, "text")
    for path, step in steps(detector):
        if step.when is not None:
            yield Use(f"{path}.when", step.when, "condition")
        for at, action in enumerate(step.do):
            yield from _action_uses(f"{path}.do[{at}]", action)


def steps(detector: Detector) -> Iterator[tuple[str, Step | Transition]]:
    """Every event and transition, with its path."""
    for name, state in detector.spec.states.items():
        groups: dict[str, tuple[Step | Transition, ...]] = {
            "onEnter.events": state.on_enter.events,
            "onInput.events": state.on_input.events,
            "onInput.transitions": state.on_input.transitions,
            "onExit.events": state.on_exit.events,
        }
        for group, members in groups.items():
            for at, step in enumerate(members):
                yield f"spec.states.{name}.{group}[{at}]", step


def timers(detector: Detector) -> set[str]:
    """The timers that some action starts."""
    return {action.timer.name for _, step in steps(detector) for action in step.do if action.timer is not None}


def _action_uses(path: str, action: manifest.Action) -> Iterator[Use]:
    if action.set is not None:
        yield Use(f"{path}.set.device", action.set.device, "text")
        yield Use(f"{path}.set.value", action.set.value, "value")
    if action.timer is not None and action.timer.expression is not None:
        yield Use(f"{path}.timer.expression", action.timer.expression, "number")
    if action.alert is not None:
        yield Use(f"{path}.alert.message", action.alert.message, "text")
    if action.notice is not None and action.notice.message is not None:
        yield Use(f"{path}.notice.message", action.notice.message, "text")
    for name, source in (action.assign or {}).items():
        yield Use(f"{path}.assign.{name}", source, "value", name)
