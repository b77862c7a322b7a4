from __future__ import annotations

import pytest

from rules import trial
from rules.expression import Expression

INPUTS = {
    "t": {"property": "t"},
    "open": {"property": "open", "type": "boolean"},
    "mode": {"property": "mode", "type": "string"},
}


def fault(detector, source, wanted="boolean"):
    made = detector(
        inputs=INPUTS,
        variables={"n": 1, "on": False, "text": ""},
        windows={"w": {"from": "01:00", "to": "13:00"}},
        states={"A": {"onEnter": {"events": [{"do": [{"timer": {"name": "x", "seconds": 1}}]}]}}},
    )
    return trial.fault(made, Expression(source), wanted, "UTC")


@pytest.mark.parametrize(
    "source",
    [
        "t > n && open && mode == text",
        "1.0 / t > 0.0",  # may divide by zero, which is no fault of type
        'double(part(device, "-", 1)) > t',
        "double(mode) > 1.0",
        'timeout("x") && n + 1.0 > t',
        'within("w") || on',
    ],
)
def test_a_sound_expression_has_no_fault(detector, source):
    assert fault(detector, source) == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("t + 1 > 0.0", "write 30.0, not 30"),
        ("open > 1.0", "overload"),
        ("open && mode > 1.0", "overload"),
        ("!open && t - mode > 1.0", "float"),
        ('timeout("x") && n + 1 > t', "float"),
        ('!timeout("x") && n + 1 > t', "float"),
        ('within("w") && n + 1 > t', "float"),
        ("t > 0.0 && t + text > 1.0", "float"),
        ("mode", "gives '', which is no boolean"),
    ],
)
def test_a_fault_of_type_is_found_behind_either_branch(detector, source, words):
    assert words in fault(detector, source)


def test_the_wanted_type_is_compared(detector):
    assert fault(detector, "t", "number") == ""
    assert fault(detector, "t", "string") == "gives -1000000.0, which is no string"
    assert fault(detector, "t", None) == ""
