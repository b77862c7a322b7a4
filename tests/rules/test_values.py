from __future__ import annotations

import pytest

from rules.values import call, filled


@pytest.mark.parametrize(
    ("source", "given", "seen"),
    [
        ("temperature > limit", {"temperature": 81.5, "limit": 60.0}, "81.5 > 60"),
        ("temperature>limit", {"temperature": 81.5}, "81.5>limit"),
        ('mode == "auto" && open', {"mode": "off", "open": True}, '"off" == "auto" && true'),
        ('within("night") || t > 1.0', {'within("night")': False, "t": 2.0}, "false || 2 > 1.0"),
        ("within('night')", {'within("night")': True}, "true"),
        ('part(device, "-", 1) == "7"', {"device": "default/d-7", 'part("default/d-7", "-", 1)': "7"}, '"7" == "7"'),
        ('name.startsWith("a")', {"name": "abc"}, '"abc".startsWith("a")'),
        ("[1.0, 2.0].exists(x, x > t)", {"t": 1.0, "x": 9.0}, "[1.0, 2.0].exists(9, 9 > 1)"),
        ("known(", {}, "known("),
        ("t > 1.0 // t is hot", {"t": 2.0}, "2 > 1.0 // t is hot"),
        ('t == "t"', {"t": 'a"b'}, '"a\\"b" == "t"'),
        ("", {}, ""),
    ],
)
def test_a_condition_is_shown_with_the_values_it_saw(source, given, seen):
    assert filled(source, given) == seen


def test_only_the_call_that_was_made_is_filled_in():
    given = {call("within", ("night",)): True}
    assert filled('within("day") || within("night")', given) == 'within("day") || true'
