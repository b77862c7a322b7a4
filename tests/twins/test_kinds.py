from __future__ import annotations

import pytest

from twins.kinds import read, words


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("int", "9007199254740991", None),
        ("int", "9007199254740993", "9007199254740993"),
        ("int", "-9007199254740993", "-9007199254740993"),
        ("float", "21.5", None),
        ("string", "21.5", "21.5"),
        ("string", "open", "open"),
    ],
)
def test_history_keeps_the_text_of_what_a_double_does_not_say(kind: str, value: str, kept: str | None) -> None:
    assert words(kind, value, read(kind, value)) == kept
