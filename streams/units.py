"""Units of measure that convert into each other: value * factor + offset gives the first unit of their kind."""

from __future__ import annotations

from typing import Literal

Unit = Literal[
    "celsius", "fahrenheit", "kelvin", "pascal", "hectopascal", "kilopascal", "bar", "psi", "joule", "watthour",
    "kilowatthour", "watt", "kilowatt", "horsepower", "metre", "millimetre", "inch", "foot", "metre/second",
    "kilometre/hour", "mile/hour", "knot", "kilogram", "gram", "pound", "litre", "gallon", "ratio", "percent",
]  # fmt: skip

_UNITS: dict[Unit, tuple[str, float, float]] = {
    "celsius": ("temperature", 1.0, 0.0),
    "fahrenheit": ("temperature", 5 / 9, -160 / 9),
    "kelvin": ("temperature", 1.0, -273.15),
    "pascal": ("pressure", 1.0, 0.0),
    "hectopascal": ("pressure", 100.0, 0.0),
    "kilopascal": ("pressure", 1000.0, 0.0),
    "bar": ("pressure", 100_000.0, 0.0),
    "psi": ("pressure", 6894.757293168, 0.0),
    "joule": ("energy", 1.0, 0.0),
    "watthour": ("energy", 3600.0, 0.0),
    "kilowatthour": ("energy", 3_600_000.0, 0.0),
    "watt": ("power", 1.0, 0.0),
    "kilowatt": ("power", 1000.0, 0.0),
    "horsepower": ("power", 745.6998715822702, 0.0),
    "metre": ("length", 1.0, 0.0),
    "millimetre": ("length", 0.001, 0.0),
    "inch": ("length", 0.0254, 0.0),
    "foot": ("length", 0.3048, 0.0),
    "metre/second": ("speed", 1.0, 0.0),
    "kilometre/hour": ("speed", 1 / 3.6, 0.0),
    "mile/hour": ("speed", 0.44704, 0.0),
    "knot": ("speed", 1852 / 3600, 0.0),
    "kilogram": ("mass", 1.0, 0.0),
    "gram": ("mass", 0.001, 0.0),
    "pound": ("mass", 0.45359237, 0.0),
    "litre": ("volume", 1.0, 0.0),
    "gallon": ("volume", 3.785411784, 0.0),
    "ratio": ("share", 1.0, 0.0),
    "percent": ("share", 0.01, 0.0),
}


def conversion(source: Unit, to: Unit) -> tuple[float, float] | None:
    """Factor and offset from one unit to another; `None` when they measure different things."""
    kind, factor, offset = _UNITS[source]
    other, divisor, shift = _UNITS[to]
    return (factor / divisor, (offset - shift) / divisor) if kind == other else None
