"""A value of a message to the text that a twin keeps, as its property's mapping says."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from devices.telemetry.leaves import text
from devices.telemetry.manifest import PropertyMapping, TimeUnit
from twins.errors import Rejected

_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
_SAID = {"true": "true", "on": "true", "yes": "true", "1": "true"}
_BOOLEANS = _SAID | {"false": "false", "off": "false", "no": "false", "0": "false"}
_MICROSECONDS = {"s": 1_000_000.0, "ms": 1000.0, "us": 1.0, "ns": 0.001}
_FOREVER = 2**62
_DIGITS = ".15g"
"""What a float has of decimal digits that mean something: a third of 0.9 is 0.3."""


class Conversion:
    """What one property's mapping makes of a value."""

    def __init__(self, mapping: PropertyMapping) -> None:
        self._map = mapping.map
        self._type = mapping.type
        self._scale = mapping.scale
        self._offset = mapping.offset
        self._scaled = mapping.scale != 1.0 or mapping.offset != 0.0
        self._as_it_is = not (self._scaled or self._map or self._type in {"int", "float", "double", "boolean"})

    def text(self, value: object) -> str | None:
        """The value as text; `None` when it is to be left out. Raises `Rejected` for one that does not fit."""
        said = text(value)
        if self._as_it_is or said is None:
            return said
        if said in self._map:
            return text(self._map[said])
        if self._type == "boolean":
            return _boolean(said)
        if not self._scaled and self._type not in {"int", "float", "double"}:
            return said
        return self._number(value, said)

    def _number(self, value: object, said: str) -> str:
        if not isinstance(value, int | float):
            if _NUMBER.fullmatch(said) is None:
                raise Rejected(f"{said[:40]!r} is no number; give it a `map`, or leave it out with `null` there")
            value = float(said) if any(sign in said for sign in ".eE") else int(said)
        try:
            number = value * self._scale + self._offset if self._scaled else value
        except OverflowError:
            number = math.inf
        if isinstance(number, float) and not math.isfinite(number):
            raise Rejected(f"{said[:40]} is too large for a number")
        if self._type == "int":
            return str(round(number))
        return format(number, _DIGITS) if isinstance(number, float) else str(int(number))


def microseconds(value: object, unit: TimeUnit) -> int | None:
    """A time of a message since 1970; `None` where there is none. Raises `Rejected` for what is no time."""
    if value is None:
        return None
    try:
        at = _iso(str(value)) if unit == "iso" else round(float(str(value)) * _MICROSECONDS[unit])
    except (ValueError, OverflowError):
        at = _FOREVER
    if abs(at) >= _FOREVER:
        raise Rejected(f"{str(value)[:40]!r} is no time in `{unit}`: see spec.timestamp.unit")
    return at


def _iso(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _boolean(said: str) -> str:
    value = _BOOLEANS.get(said.lower())
    if value is None:
        raise Rejected(f"{said[:40]!r} is no boolean; give it a `map` such as {{{said[:20]!r}: true}}")
    return value
