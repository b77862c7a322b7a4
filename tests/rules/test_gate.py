"""A condition that is passed over for what it is not about gives what it would have given."""

from __future__ import annotations

import pytest

from rules.expression import Expression, Scope, Undecided
from rules.gate import Gated, condition

GATED = ('input == "t"', 'input == "t" && x > 1.0', 'timeout("t")', 'timeout("t") && x > 1.0', 'input == "t" && y')
PLAIN = ('input == "t" || x > 1.0', 'input != "t"', 'input == "t" && x > 1.0 || true', 'timeout("t") ? true : false',
         '(input == "t")', 'x > 1.0 && input == "t"')  # fmt: skip


def outcome(expression, scope):
    try:
        return expression.holds(scope)
    except Undecided:
        return False


@pytest.mark.parametrize("source", GATED + PLAIN)
@pytest.mark.parametrize("value", [0.5, 2.0])
def test_a_condition_holds_as_without_its_gate(source, value):
    for name in ("t", "x", ""):
        for timer in ("t", "u", ""):
            scope = Scope()
            scope.values, scope.input, scope.timer = {"x": value}, name, timer
            assert outcome(condition(source), scope) == outcome(Expression(source), scope), (name, timer)


def test_only_what_can_be_told_without_evaluation_has_a_gate():
    assert [type(condition(source)) for source in GATED] == [Gated] * len(GATED)
    assert [type(condition(source)) for source in PLAIN] == [Expression] * len(PLAIN)
