from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.mapper.value import text_of, value_of
from twins.errors import Rejected
from twins.values import Declared


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("int", 21, "21"),
        ("int", 21.0, "21"),
        ("int", 21.6, "22"),
        ("int", "21", "21"),
        ("int", True, "1"),
        ("int", str(2**62 + 1), str(2**62 + 1)),
        ("float", 21, "21"),
        ("float", Decimal("21.5"), "21.5"),
        ("float", 21.5, "21.5"),
        ("double", 1e-7, "0.0000001"),
        ("float", 1e21, "1000000000000000000000"),
        ("float", " 2.50 ", "2.5"),
        ("boolean", True, "true"),
        ("boolean", 0, "false"),
        ("boolean", 1.0, "true"),
        ("boolean", "ON", "true"),
        ("string", "words", "words"),
        ("string", 3, "3"),
        ("string", 3.0, "3"),
        ("string", False, "false"),
        ("bytes", b"raw", "raw"),
    ],
)
def test_what_was_read_becomes_text_by_the_models_type(kind: str, value: object, text: str) -> None:
    assert text_of(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[("int", "x"), ("int", ""), ("float", math.nan), ("float", "inf"), ("int", math.inf)],
        *[("boolean", 2), ("boolean", "maybe"), ("boolean", b"\xff"), ("bytes", b"\xff\xfe"), ("string", math.nan)],
    ],
)
def test_what_does_not_fit_its_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(Rejected):
        text_of(kind, value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "7", 7),
        ("int", "-7", -7),
        ("float", "7", 7.0),
        ("double", "1e3", 1000.0),
        ("boolean", "true", True),
        ("boolean", "0", False),
        ("string", "7", "7"),
        ("bytes", "7", b"7"),
    ],
)
def test_what_is_desired_gets_the_models_type(kind: str, text: str, value: object) -> None:
    found = value_of("p", Declared(kind=kind), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("kind", "text"), [("int", "7.5"), ("int", "x"), ("float", "nan"), ("boolean", "yes please")])
def test_what_is_desired_and_does_not_fit_is_refused(kind: str, text: str) -> None:
    with pytest.raises(Rejected):
        value_of("p", Declared(kind=kind), text)


def test_bounds_are_checked_before_writing() -> None:
    declared = Declared(kind="float", minimum=-1.0, maximum=1.0)
    assert value_of("p", declared, "1") == 1.0
    for text in ("1.01", "-2"):
        with pytest.raises(Rejected, match="of its model"):
            value_of("p", declared, text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_its_text(value: float) -> None:
    text = text_of("double", value)
    assert "e" not in text
    assert float(text) == value
