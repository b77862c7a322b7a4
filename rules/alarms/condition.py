"""When an alarm is raised and when that is over, as two CEL expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rules.expression import Expression
from rules.lint.fault import Fault, attempt
from rules.manifest.alarm import Condition, Spec
from rules.manifest.form import Scalar
from twins.schema import nearest

_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_ABOVE, _BELOW = (">", ">="), ("<", "<=")


class Pair(NamedTuple):
    """CEL: what raises the alarm and what clears it. Both are without value while an input is unknown."""

    raised: str
    cleared: str


def pair(condition: Condition) -> Pair:
    """The two expressions of a condition that has passed `faults`."""
    c = condition
    if c.when is not None:
        return Pair(c.when, c.clear_when or f"!({c.when})")
    threshold = _cel(c.threshold)
    cleared = f"{c.input} {_OPPOSITE[c.operator]} {threshold}"
    if c.clear_below is not None:
        cleared = f"{c.input} < {_cel(c.clear_below)}"
    elif c.clear_above is not None:
        cleared = f"{c.input} > {_cel(c.clear_above)}"
    elif c.deadband is not None:
        sign = "-" if c.operator in _ABOVE else "+"
        cleared = f"{c.input} {_OPPOSITE[c.operator]} {threshold} {sign} {_cel(c.deadband)}"
    return Pair(f"{c.input} {c.operator} {threshold}", cleared)


def faults(spec: Spec) -> Iterator[Fault]:
    """What is wrong with a condition, but for its expressions."""
    c, path = spec.condition, "spec.condition"
    if (c.when is None) == (c.input is None):
        yield Fault(path, "either input or when is needed")
    elif c.when is not None:
        for name, value in (("threshold", c.threshold), ("clearBelow", c.clear_below), ("clearAbove", c.clear_above)):
            if value is not None:
                yield Fault(f"{path}.{name}", "belongs to a comparison; with when, write clearWhen")
        if c.deadband is not None:
            yield Fault(f"{path}.deadband", "belongs to a comparison; with when, write clearWhen")
    else:
        yield from _comparison(spec, path)
    for name, source in (
        ("when", c.when),
        ("clearWhen", c.clear_when),
        ("threshold", c.threshold),
        ("clearBelow", c.clear_below),
        ("clearAbove", c.clear_above),
    ):
        if isinstance(source, str):
            yield from attempt(f"{path}.{name}", Expression, source)


def _comparison(spec: Spec, path: str) -> Iterator[Fault]:
    c = spec.condition
    if c.input not in spec.inputs:
        yield Fault(f"{path}.input", f"{c.input!r} is no input; {nearest(str(c.input), spec.inputs)}")
    if c.threshold is None:
        yield Fault(
            f"{path}.threshold", "is needed: a number, a boolean, or an expression such as the name of an input"
        )
    if c.clear_when is not None:
        yield Fault(f"{path}.clearWhen", "belongs to when; with a comparison, write clearBelow, clearAbove or deadband")
    if sum(each is not None for each in (c.clear_below, c.clear_above, c.deadband)) > 1:
        yield Fault(path, "only one of clearBelow, clearAbove and deadband can hold")
    if c.clear_below is not None:
        yield from _side(c, "clearBelow", c.clear_below, _ABOVE)
    if c.clear_above is not None:
        yield from _side(c, "clearAbove", c.clear_above, _BELOW)
    if c.deadband is not None and c.operator not in _ABOVE + _BELOW:
        yield Fault(f"{path}.deadband", f"means nothing with {c.operator}")


def _side(c: Condition, name: str, value: Scalar, operators: tuple[str, ...]) -> Iterator[Fault]:
    path = f"spec.condition.{name}"
    if c.operator not in operators:
        yield Fault(path, f"is for {' and '.join(operators)}; the operator is {c.operator}")
    elif isinstance(value, float) and isinstance(c.threshold, float):
        wrong = value > c.threshold if operators is _ABOVE else value < c.threshold
        if wrong:
            yield Fault(
                path, f"{value:g} is on the wrong side of the threshold {c.threshold:g}: both would hold at once"
            )


def _cel(value: Scalar | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(float(value))
    return f"({value})"
