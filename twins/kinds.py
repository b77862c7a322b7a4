"""How the value of a property reads: KubeEdge's types, and in default mode those of its DeviceModel too.

KubeEdge parses `int` with Go's `ParseInt` (base 10, 64 bit), `float` with `ParseFloat`, `boolean` as exactly
`true` or `false`. NaN and infinity, which Go accepts, are taken in strict mode alone, and as no number: no window, rule
or average survives them.
"""

from __future__ import annotations

import math
import re

from twins.errors import Rejected
from twins.values import Declared

VALUE_LIMIT = 8192
"""Characters a value may have in default mode; KubeEdge allows 512."""

TEXT_KINDS = frozenset({"string", "bytes", "stream"})
"""Kinds whose values are text even when they look like a number."""
EXACT = 2.0**53
"""Whole numbers up to here are exact as a double."""

_INT = re.compile(r"[+-]?[0-9]{1,64}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_NO_NUMBER = re.compile(r"nan|[+-]?inf(inity)?", re.IGNORECASE)
_STRICT = frozenset({"", "string", "int", "integer", "float", "boolean"})
_DEFAULT = _STRICT | {"double", "bytes", "stream"}
KINDS = (_DEFAULT | {"deleted"}) - {""}
"""All kinds that a property may have."""


def kind_of(name: str, *, strict: bool) -> str:
    """The kind a `metadata.type` names; `Rejected` when there is none of that name."""
    kind = name if strict else name.lower()
    if kind not in (_STRICT if strict else _DEFAULT):
        raise Rejected("the value type is not allowed")
    return kind or "string"


def read(kind: str, value: str, strict: bool = False) -> float | None:
    """The number a value stands for, `None` for text; `Rejected` with KubeEdge's reason when it does not fit its kind.

    A text that looks like a number gives it too: many devices never declare a type, and their values are still plotted.
    """
    if kind in {"float", "double"}:
        if _FLOAT.fullmatch(value) is not None and math.isfinite(number := float(value)):
            return number
        if strict and _NO_NUMBER.fullmatch(value) is not None:
            return None
        raise Rejected("the value is not float")
    if kind in {"int", "integer"}:
        if _INT.fullmatch(value) is None or not -(2**63) <= int(value) < 2**63:
            raise Rejected("the value is not int or integer")
        return float(value)
    if kind == "boolean":
        if value not in {"true", "false"}:
            raise Rejected("the bool value must be true or false")
        return 1.0 if value == "true" else 0.0
    if len(value) <= 24 and _FLOAT.fullmatch(value):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def words(kind: str, value: str, number: float | None) -> str | None:
    """The text that history keeps of a value beside its number; `None` when the number says it all."""
    if number is None or kind in TEXT_KINDS:
        return value
    return value if kind in {"int", "integer"} and abs(number) >= EXACT else None


def check_declared(name: str, declared: Declared, number: float | None) -> None:
    """Refuse a number outside the bounds of the device's model."""
    if number is None:
        return
    if declared.minimum is not None and number < declared.minimum:
        reason = f"the value of {name} is below the minimum {declared.minimum:g} of its model"
        raise Rejected(reason)
    if declared.maximum is not None and number > declared.maximum:
        reason = f"the value of {name} is above the maximum {declared.maximum:g} of its model"
        raise Rejected(reason)
