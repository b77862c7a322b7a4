"""Type check by trial: an expression is evaluated against sample values of its inputs' declared types.

CEL finds types only when it runs. Samples are few, so a branch they do not reach is found at run time, where it
counts as false and is told in `explain`.
"""

from __future__ import annotations

from rules.expression import Expression, Scope, Undecided
from rules.manifest.detector import Detector
from rules.manifest.form import InputType, Scalar
from rules.window import Hours

_SAMPLES: dict[InputType, tuple[Scalar, ...]] = {
    "number": (-1e6, 0.0, 1.0, 1e6),
    "boolean": (True, False, True, False),
    "string": ("", "a", "device-1", "1"),
}
_TYPES: dict[type, InputType] = {bool: "boolean", float: "number", int: "number", str: "string"}
_QUARTER = 6 * 3600 * 1_000_000


def fault(detector: Detector, expression: Expression, wanted: InputType | None, zone: str) -> str:
    """What is wrong with the types of an expression whose names are known; empty when nothing is.

    `wanted` is the type it must give, `None` if any will do.
    """
    scope = Scope()
    scope.past = _Past(scope)
    scope.windows = {name: Hours(window, zone) for name, window in detector.spec.windows.items()}
    scope.key = scope.device = "default/device-1"
    timers = expression.calls("timeout")
    for at in range(4):
        scope.values = _values(detector, at)
        scope.now = at * _QUARTER
        scope.timer = (timers[0] or "") if timers and at % 2 else ""
        try:
            value = expression.value(scope)
        except Undecided as error:
            if isinstance(error.__cause__, TypeError):
                return f"{error}{_hint(str(error))}"
            continue
        if wanted is not None and _TYPES[type(value)] != wanted:
            return f"gives {value!r}, which is no {wanted}"
    return ""


def type_of(value: Scalar) -> InputType:
    """The type of a variable that begins with `value`."""
    return _TYPES[type(value)]


class _Past:
    """Every input has a past; numbers of windows are as small and as large as those of inputs."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def fold(self, function: str, name: str, size: int, now: int, percent: float = 0.0) -> float | None:
        value = self._scope.values[name]
        return 1.0 if isinstance(value, str) else float(value)

    def previous(self, name: str) -> Scalar | None:
        return self._scope.values[name]

    def changed(self, name: str) -> bool:
        return True

    def age(self, name: str, now: int) -> float | None:
        return 1.0


def _values(detector: Detector, at: int) -> dict[str, Scalar]:
    spec = detector.spec
    types = {name: given.type for name, given in spec.inputs.items()}
    types |= {name: type_of(value) for name, value in spec.variables.items()}
    return {name: _sample(kind, at, number) for number, (name, kind) in enumerate(types.items())}


def _sample(kind: InputType, at: int, number: int) -> Scalar:
    """No two numbers are alike: 0/0 is no number, which CEL does not compare."""
    value = _SAMPLES[kind][at]
    return value + number if isinstance(value, float) else value


def _hint(error: str) -> str:
    return "; numbers are doubles here: write 30.0, not 30" if "int" in error and "float" in error else ""
