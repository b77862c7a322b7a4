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
    for path, action in actions_of(detector):
        yield from _action_uses(path, action)


def actions_of(detector: Detector) -> Iterator[tuple[str, manifest.Plain]]:
    """Every action with its path, those for the case that another fails too."""
    for path, step in steps(detector):
        for at, action in enumerate(step.do):
            yield f"{path}.do[{at}]", action
            others = action.set.otherwise if action.set is not None else ()
            for number, other in enumerate(others):
                yield f"{path}.do[{at}].set.else[{number}]", other


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
    return {action.timer.name for _, action in actions_of(detector) if action.timer is not None}


def _action_uses(path: str, action: manifest.Plain) -> Iterator[Use]:
    for name, source in (action.assign or {}).items():
        yield Use(f"{path}.assign.{name}", source, "value", name)
    if action.call is not None:
        for name, source in action.call.arguments.items():
            yield Use(f"{path}.call.arguments.{name}", source, "value")
    for name, roles in _ROLES.items():
        given = getattr(action, name)
        for field, role in roles.items() if given is not None else ():
            if (source := getattr(given, field)) is not None:
                yield Use(f"{path}.{name}.{field}", source, role)


_ROLES: dict[str, dict[str, Role]] = {
    "set": {"device": "text", "value": "value"},
    "timer": {"expression": "number"},
    "notice": {"message": "text"},
    "alert": {"message": "text"},
    "publish": {"topic": "text", "payload": "text"},
    "call": {"device": "text"},
    "webhook": {"body": "text"},
    "notify": {"message": "text"},
    "write": {"value": "value"},
    "clip": {"camera": "text"},
    "infer": {"camera": "text"},
    "signal": {"key": "text", "value": "value"},
}
"""What of an action is an expression, or text with expressions."""
