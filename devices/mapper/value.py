"""Values of devices as the text of a twin, and back, by the type of the model.

KubeEdge's forms: integers in base 10, floats in the fewest digits without exponent, `true` and `false`, bytes as text.
"""

from __future__ import annotations

import math
from decimal import Decimal

from devices.mapper.driver import Scalar
from twins.errors import Rejected
from twins.kinds import check_declared, read
from twins.values import Declared

TRUE = frozenset({"true", "1", "on"})
FALSE = frozenset({"false", "0", "off"})


def text_of(kind: str, value: Scalar) -> str:
    """What a driver read, as text; an integer property is rounded. `Rejected` when it does not fit its type."""
    match kind:
        case "int" | "integer":
            return str(round(_number(value)))
        case "float" | "double":
            return _plain(_number(value))
        case "boolean":
            return "true" if _truth(value) else "false"
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return _plain(_finite(value))
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                message = "the bytes are not UTF-8, and a twin holds text: have the driver give base64 or hexadecimal"
                raise Rejected(message) from error
    return str(value)


def value_of(name: str, declared: Declared, text: str) -> Scalar:
    """What is to be written, from text; `Rejected` when it does not fit the model's type or bounds."""
    kind = declared.kind
    if kind == "boolean":
        return _truth(text)
    number = read(kind, text)
    check_declared(name, declared, number)
    if kind in {"int", "integer"}:
        return int(text)
    if kind in {"float", "double"}:
        return float(text)
    return text.encode() if kind == "bytes" else text


def _number(value: Scalar) -> int | float:
    if isinstance(value, str | bytes):
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        try:
            value = int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
        except ValueError:
            message = f"{text[:40]!r} is not a number"
            raise Rejected(message) from None
    return value if isinstance(value, int) else _finite(float(value))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        message = f"{value} is not a number that a twin can hold"
        raise Rejected(message)
    return value


def _plain(value: float) -> str:
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _truth(value: Scalar) -> bool:
    text = (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    number = None if isinstance(value, str | bytes) else float(value)
    if number in (0.0, 1.0):
        return bool(number)
    message = f"{text[:40]!r} is neither true nor false"
    raise Rejected(message)
