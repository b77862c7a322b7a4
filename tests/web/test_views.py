from __future__ import annotations

import pytest

from web.views import PointView


@pytest.mark.parametrize(
    ("kind", "number", "value"),
    [
        ("int", 1_234_567_890_123_456.0, "1234567890123456"),
        ("int", -7.0, "-7"),
        ("float", 21.5, "21.5"),
        ("float", 0.1 + 0.2, "0.3"),
        ("boolean", 1.0, "true"),
        ("string", 5.0, "5"),
    ],
)
def test_a_number_of_the_past_is_written_by_its_kind(kind: str, number: float, value: str) -> None:
    assert PointView.of(0, kind, number).value == value


def test_a_text_of_the_past_is_what_was_said() -> None:
    assert PointView.of(0, "int", 5.0, "+05").value == "+05"
