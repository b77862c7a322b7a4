"""Conditions that come out the same whatever they see, found by trial."""

from __future__ import annotations

from itertools import combinations, pairwise, product

from rules.expression import Expression, Scope, Undecided
from rules.lint.walk import actions_of
from rules.manifest.detector import Detector
from rules.manifest.form import InputType, Scalar
from rules.trial import type_of
from twins import bound

MOST = 10_000
"""Trials of one condition; what has more combinations is not tried."""
PAIRED = 6
"""Numbers of a condition up to which their sums and differences are tried too."""
_PLAIN = frozenset({"within", "timeout", "known", "contains", "startsWith", "endsWith"})
"""Functions whose every outcome is among the trials."""


def constant(detector: Detector, expression: Expression) -> bool | None:
    """Its value if it always has the same one; `None` when it has both, or when that cannot be tried out."""
    asked = {name for name in expression.calls("known") if name is not None}
    named = expression.names() | asked
    if named & {"device", "key"} or expression.functions() - _PLAIN:
        return None
    choices = {name: _choices(detector, expression, name) for name in sorted(named)}
    windows = [name for name in dict.fromkeys(expression.calls("within")) if name is not None]
    timers = ["", *dict.fromkeys(str(name) for name in expression.calls("timeout"))]
    size = len(timers) * 2 ** len(windows)
    for each in choices.values():
        size *= len(each)
    if size > MOST:
        return None
    scope = Scope()
    seen: set[bool] = set()
    for scope.timer, opened in product(timers, product((True, False), repeat=len(windows))):
        scope.windows = {name: _Door(is_open) for name, is_open in zip(windows, opened, strict=True)}
        for values in product(*choices.values()):
            given = dict(zip(choices, values, strict=True))
            scope.input = str(given.pop("input", ""))
            scope.values = {name: value for name, value in given.items() if value is not None}
            try:
                seen.add(expression.holds(scope))
            except Undecided:
                continue  # it counts as false, and is told where it happens
            if len(seen) == 2:
                return None
    return seen.pop() if seen else None


class _Door:
    """A time window that stands as it is put."""

    def __init__(self, is_open: bool) -> None:
        self._open = is_open

    def contains(self, at: int) -> bool:
        return self._open


def _choices(detector: Detector, expression: Expression, name: str) -> list[Scalar | None]:
    spec = detector.spec
    if name == "input":
        return [*spec.inputs, ""]
    begins = spec.variables.get(name)
    if begins is not None and name not in _assigned(detector):
        return [float(begins) if type(begins) is int else begins]
    kind = spec.inputs[name].type if begins is None else type_of(begins)
    found: list[Scalar | None] = list(_samples(detector, expression, kind))
    if name in expression.calls("known"):
        found.append(None)
    return found


def _samples(detector: Detector, expression: Expression, kind: InputType) -> list[Scalar]:
    pieces = bound.tokens(expression.source)
    if kind == "boolean":
        return [True, False]
    if kind == "string":
        literals = [text[1:-1] for piece, text in pieces if piece == "string"]
        return list(dict.fromkeys(["", "a", *literals, *(text + "a" for text in literals)]))
    numbers = {float(text.rstrip("uU")) for piece, text in pieces if piece == "number"}
    begins = [detector.spec.variables.get(name, "") for name in expression.names()]
    numbers |= {float(value) for value in begins if type_of(value) == "number"}
    if len(numbers) <= PAIRED:
        numbers |= {each for a, b in combinations(sorted(numbers), 2) for each in (a + b, a - b, b - a)}
    marks = sorted(numbers | {-1e6, 0.0, 1e6} | {-number for number in numbers})
    return [*marks, *((a + b) / 2 for a, b in pairwise(marks))]


def _assigned(detector: Detector) -> set[str]:
    return {name for _, action in actions_of(detector) for name in action.assign or {}}
