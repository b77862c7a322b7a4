"""States, events and transitions, compiled from the manifest."""

from __future__ import annotations

from rules.actions.action import Action
from rules.actions.catalogue import compile_action
from rules.gate import condition
from rules.manifest import detector as manifest
from rules.manifest.action import Actions

HOLD = "for:"
"""Prefix of the timers of debounced transitions; no name in a manifest contains a colon."""


class Step:
    """A compiled event: condition and actions."""

    __slots__ = ("do", "label", "name", "when")

    def __init__(
        self, name: str, label: str, when: str | None, do: Actions, namespace: str, *, dry: bool = False
    ) -> None:
        self.name = name
        self.label = label
        self.when = None if when is None else condition(when)
        self.do: list[Action] = [
            compile_action(each, f"{label}.do[{at}]", namespace, dry=dry) for at, each in enumerate(do)
        ]


class Arrow(Step):
    """A compiled transition. `hold` is how long the condition must hold, in microseconds."""

    __slots__ = ("hold", "timer", "to")

    def __init__(self, name: str, label: str, arrow: manifest.Transition, namespace: str, *, dry: bool = False) -> None:
        super().__init__(name, label, arrow.when, arrow.do, namespace, dry=dry)
        self.to = arrow.to
        self.hold = 0 if arrow.hold is None else manifest.microseconds(arrow.hold)
        self.timer = HOLD + name


class State:
    """A compiled state; with `dry` its actions are told and not done."""

    __slots__ = ("arrows", "enter", "events", "exit")

    def __init__(self, name: str, state: manifest.State, namespace: str, *, dry: bool = False) -> None:
        path = f"spec.states.{name}"
        self.enter = _steps(state.on_enter.events, f"{path}.onEnter.events", f"{name}.enter", namespace, dry)
        self.events = _steps(state.on_input.events, f"{path}.onInput.events", f"{name}.input", namespace, dry)
        self.exit = _steps(state.on_exit.events, f"{path}.onExit.events", f"{name}.exit", namespace, dry)
        self.arrows = [
            Arrow(each.name or each.to, f"{path}.onInput.transitions[{at}]", each, namespace, dry=dry)
            for at, each in enumerate(state.on_input.transitions)
        ]

    @property
    def holds(self) -> frozenset[str]:
        """The timers of its debounced transitions."""
        return frozenset(arrow.timer for arrow in self.arrows if arrow.hold)

    def steps(self) -> list[Step]:
        return [*self.enter, *self.events, *self.arrows, *self.exit]


def _steps(steps: tuple[manifest.Step, ...], path: str, name: str, namespace: str, dry: bool) -> list[Step]:
    return [
        Step(step.name or f"{name}[{at}]", f"{path}[{at}]", step.when, step.do, namespace, dry=dry)
        for at, step in enumerate(steps)
    ]
