"""What is allowed and most likely not meant: warnings and infos on one detector."""

from __future__ import annotations

from collections.abc import Iterator

from rules.expression import Expression, Template
from rules.lint.constant import constant
from rules.lint.fault import Fault
from rules.lint.walk import actions_of, uses
from rules.manifest.detector import Detector


def hints(detector: Detector) -> Iterator[Fault]:
    """Of a detector without errors."""
    expressions = list(_expressions(detector))
    yield from _timers(detector, expressions)
    yield from _ends(detector)
    yield from _unread(detector, expressions)
    for use in uses(detector):
        if use.role == "condition":
            always = constant(detector, Expression(use.source))
            if always is not None:
                reason = f"was {str(always).lower()} whatever was tried: {use.source}"
                yield Fault(use.path, reason, "warning")


def _expressions(detector: Detector) -> Iterator[Expression]:
    for use in uses(detector):
        yield from Template(use.source).expressions if use.role == "text" else [Expression(use.source)]


def _timers(detector: Detector, expressions: list[Expression]) -> Iterator[Fault]:
    read = {name for each in expressions for name in each.calls("timeout")}
    for path, action in actions_of(detector):
        if action.timer is not None and action.timer.name not in read:
            reason = f'no condition asks timeout("{action.timer.name}"): when it ends, nothing looks at it'
            yield Fault(f"{path}.timer", reason, "warning")


def _ends(detector: Detector) -> Iterator[Fault]:
    states = detector.spec.states
    for name, state in states.items():
        if len(states) > 1 and all(arrow.to == name for arrow in state.on_input.transitions):
            yield Fault(f"spec.states.{name}", "no transition leads out of it: an instance stays here", "info")


def _unread(detector: Detector, expressions: list[Expression]) -> Iterator[Fault]:
    spec = detector.spec
    named = {name for each in expressions for name in each.names()}
    named |= {str(name) for each in expressions for name in each.calls("known")}
    for name in spec.inputs:
        literal = any(f'"{name}"' in each.source or f"'{name}'" in each.source for each in expressions)
        if name not in named and not literal:
            yield Fault(f"spec.inputs.{name}", "no expression looks at it: it sets the rule off, no more", "info")
    for name in spec.variables:
        if name not in named:
            yield Fault(f"spec.variables.{name}", "no expression looks at it", "info")
    open_ = {name for each in expressions for name in each.calls("within")}
    for name in spec.windows:
        if name not in open_:
            yield Fault(f"spec.windows.{name}", "no expression asks whether it is open", "info")
