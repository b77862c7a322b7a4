"""Look at a detector before it is applied: every fault with the path of its field, the reason and the nearest name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from rules import detector as manifest
from rules import trial
from rules.detector import Detector
from rules.expression import FUNCTIONS, NATIVE, RESERVED, Expression, Template
from rules.window import find_zone
from twins import bound
from twins.errors import Rejected
from twins.schema import nearest

SHOWN = 10
"""Faults named in one refusal."""
# CEL's own words and those it keeps for later cannot be names.
KEYWORDS = frozenset(
    {"in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)

Role = Literal["condition", "value", "text"]


class Fault(Struct, frozen=True):
    """One thing that is wrong: the path of the field and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Use(Struct, frozen=True):
    """An expression, or text with expressions, where it stands. `variable` is what its value is assigned to."""

    path: str
    source: str
    role: Role
    variable: str = ""


def check(detector: Detector, zone: str = "UTC") -> None:
    """Raise `Rejected` with all that is wrong."""
    found = faults(detector, zone)
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        msg = f"Detector {detector.id}: " + "; ".join([*map(str, found[:SHOWN]), *more])
        raise Rejected(msg)


def faults(detector: Detector, zone: str = "UTC") -> list[Fault]:
    """All that is wrong, in the order of the manifest. `zone` is the site's."""
    found = [*_names(detector), *_windows(detector, zone), *_graph(detector), *_actions(detector)]
    if not found:  # expressions are tried out with the detector's names, which must be sound for that
        found = [fault for use in uses(detector) for fault in _expressions(detector, use, zone)]
    return found


def uses(detector: Detector) -> Iterator[Use]:
    """Every expression of a detector."""
    yield Use("spec.key", detector.spec.key, "text")
    for path, step in steps(detector):
        if step.when is not None:
            yield Use(f"{path}.when", step.when, "condition")
        for at, action in enumerate(step.do):
            yield from _action_uses(f"{path}.do[{at}]", action)


def steps(detector: Detector) -> Iterator[tuple[str, manifest.Step | manifest.Transition]]:
    """Every event and transition, with its path."""
    for name, state in detector.spec.states.items():
        groups: dict[str, tuple[manifest.Step | manifest.Transition, ...]] = {
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


def _names(detector: Detector) -> Iterator[Fault]:
    spec = detector.spec
    for section, names in (("inputs", spec.inputs), ("variables", spec.variables)):
        for name in names:
            if name in KEYWORDS or name in RESERVED:
                yield Fault(f"spec.{section}.{name}", "is a word of the expressions; take another name")
    for name, value in spec.variables.items():
        if name in spec.inputs:
            yield Fault(f"spec.variables.{name}", "is the name of an input too")
        if isinstance(value, str) and len(value) > bound.LONGEST_TEXT:
            yield Fault(f"spec.variables.{name}", f"is longer than {bound.LONGEST_TEXT} characters")
        if isinstance(value, float) and not math.isfinite(value):
            yield Fault(f"spec.variables.{name}", "is not a finite number")


def _windows(detector: Detector, zone: str) -> Iterator[Fault]:
    for name, window in detector.spec.windows.items():
        if window.start == window.end:
            yield Fault(f"spec.windows.{name}.to", "equals from, so the window never opens")
        yield from _try(f"spec.windows.{name}.zone", find_zone, window.zone or zone)


def _graph(detector: Detector) -> Iterator[Fault]:
    spec = detector.spec
    if spec.initial not in spec.states:
        yield Fault("spec.initial", f"{spec.initial!r} is no state; {nearest(spec.initial, spec.states)}")
        return
    for name, state in spec.states.items():
        seen: set[str] = set()
        for at, arrow in enumerate(state.on_input.transitions):
            path = f"spec.states.{name}.onInput.transitions[{at}]"
            if arrow.to not in spec.states:
                yield Fault(f"{path}.to", f"{arrow.to!r} is no state; {nearest(arrow.to, spec.states)}")
            title = arrow.name or arrow.to
            if title in seen:
                yield Fault(f"{path}.name", f"{title!r} names another transition of this state; give each its own name")
            seen.add(title)
            yield from _try(f"{path}.for", manifest.microseconds, 1.0 if arrow.hold is None else arrow.hold)
    for name in sorted(spec.states.keys() - _reached(detector)):
        yield Fault(f"spec.states.{name}", f"cannot be reached from {spec.initial!r}; add a transition or remove it")


def _reached(detector: Detector) -> set[str]:
    states = detector.spec.states
    reached: set[str] = set()
    edge = [detector.spec.initial]
    while edge:
        name = edge.pop()
        if name in states and name not in reached:
            reached.add(name)
            edge += [arrow.to for arrow in states[name].on_input.transitions]
    return reached


def _actions(detector: Detector) -> Iterator[Fault]:
    started = timers(detector)
    for path, step in steps(detector):
        for at, action in enumerate(step.do):
            yield from _action(f"{path}.do[{at}]", action, detector, started)


def _action(path: str, action: manifest.Action, detector: Detector, started: set[str]) -> Iterator[Fault]:
    if len(action.given) != 1:
        given = ", ".join(action.given) or "none"
        yield Fault(path, f"one of {', '.join(manifest.Action.__struct_fields__)} is needed, given: {given}")
        return
    for name in action.assign or {}:
        if name not in detector.spec.variables:
            yield Fault(f"{path}.assign.{name}", f"is no variable; {nearest(name, detector.spec.variables)}")
    if action.clear is not None and action.clear not in started:
        yield Fault(f"{path}.clear", f"no action starts the timer {action.clear!r}; {nearest(action.clear, started)}")
    if action.timer is not None:
        if (action.timer.seconds is None) == (action.timer.after is None):
            yield Fault(f"{path}.timer", "either seconds or after is needed")
        else:
            yield from _try(f"{path}.timer", manifest.microseconds, action.timer.length)


def _action_uses(path: str, action: manifest.Action) -> Iterator[Use]:
    if action.set is not None:
        yield Use(f"{path}.set.device", action.set.device, "text")
        yield Use(f"{path}.set.value", action.set.value, "value")
    if action.alert is not None:
        yield Use(f"{path}.alert.message", action.alert.message, "text")
    for name, source in (action.assign or {}).items():
        yield Use(f"{path}.assign.{name}", source, "value", name)


def _expressions(detector: Detector, use: Use, zone: str) -> Iterator[Fault]:
    try:
        expressions = Template(use.source).expressions if use.role == "text" else [Expression(use.source)]
    except Rejected as error:
        yield Fault(use.path, error.reason)
        return
    for expression in expressions:
        unknown = list(_unknown(detector, use, expression))
        yield from unknown
        if not unknown and use.path != "spec.key":
            fault = trial.fault(detector, expression, _wanted(detector, use), zone)
            if fault:
                yield Fault(use.path, fault)


def _wanted(detector: Detector, use: Use) -> manifest.InputType | None:
    if use.variable:
        return trial.type_of(detector.spec.variables[use.variable])
    return "boolean" if use.role == "condition" else None


def _unknown(detector: Detector, use: Use, expression: Expression) -> Iterator[Fault]:
    spec = detector.spec
    known = {"device"} if use.path == "spec.key" else {*spec.inputs, *spec.variables, *RESERVED}
    for name in sorted(expression.names() - known):
        yield Fault(use.path, f"{name!r} is no input and no variable; {nearest(name, known)}")
    functions = NATIVE | FUNCTIONS | bound.MACROS
    for name in sorted(expression.functions() - functions):
        yield Fault(use.path, f"{name}() is no function; {nearest(name, functions)}")
    arguments = (("within", spec.windows.keys()), ("timeout", timers(detector)), ("known", spec.inputs.keys()))
    for function, names in arguments:
        for argument in expression.calls(function):
            if argument not in names:
                yield Fault(use.path, f"{function}() needs one name in quotes; {nearest(argument or '', set(names))}")


def _try(path: str, read: Callable[..., object], value: object) -> Iterator[Fault]:
    try:
        read(value)
    except (ValueError, Rejected) as error:
        yield Fault(path, str(error))
