"""Expressions: names, functions and types."""

from __future__ import annotations

from collections.abc import Iterator

from rules import trial
from rules.expression import FUNCTIONS, NATIVE, RESERVED, Expression, Template
from rules.lint.fault import Fault
from rules.lint.walk import Role, Use, timers
from rules.manifest.detector import Detector, Spec
from rules.manifest.form import InputType
from twins import bound
from twins.errors import Rejected
from twins.schema import nearest

_TYPES: dict[Role, InputType] = {"condition": "boolean", "number": "number"}


def expressions(detector: Detector, use: Use, zone: str) -> Iterator[Fault]:
    try:
        found = Template(use.source).expressions if use.role == "text" else [Expression(use.source)]
    except Rejected as error:
        yield Fault(use.path, error.reason)
        return
    for expression in found:
        unknown = list(_unknown(detector, use, expression))
        yield from unknown
        if not unknown and use.path != "spec.key":
            fault = trial.fault(detector, expression, _wanted(detector, use), zone)
            if fault:
                yield Fault(use.path, fault)


def _wanted(detector: Detector, use: Use) -> InputType | None:
    if use.variable:
        return trial.type_of(detector.spec.variables[use.variable])
    return _TYPES.get(use.role)


def _unknown(detector: Detector, use: Use, expression: Expression) -> Iterator[Fault]:
    spec = detector.spec
    known = {"device"} if use.path == "spec.key" else {*spec.inputs, *spec.variables, *RESERVED}
    for name in sorted(expression.names() - known):
        yield Fault(use.path, f"{name!r} is no input and no variable; {nearest(name, known)}")
    for call in expression.past:
        if call.input in spec.variables or call.input in RESERVED:
            yield Fault(
                use.path,
                f"{call.function}() takes an input, and {call.input!r} is none; {nearest(call.input, spec.inputs)}",
            )
        elif call.size and call.function != "count" and _is_text(spec, call.input):
            yield Fault(use.path, f"{call.function}() takes numbers, and {call.input!r} is a text")
    functions = NATIVE | FUNCTIONS | bound.MACROS
    for name in sorted(expression.functions() - functions):
        yield Fault(use.path, f"{name}() is no function; {nearest(name, functions)}")
    arguments = (
        ("within", spec.windows.keys()),
        ("timeout", timers(detector)),
        ("known", spec.inputs.keys()),
        ("schedule", spec.schedules.keys()),
    )
    for function, names in arguments:
        for argument in expression.calls(function):
            if argument not in names:
                yield Fault(use.path, f"{function}() needs one name in quotes; {nearest(argument or '', set(names))}")


def _is_text(spec: Spec, name: str) -> bool:
    given = spec.inputs.get(name)
    return given is not None and given.type == "string"
