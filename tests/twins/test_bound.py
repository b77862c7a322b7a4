from __future__ import annotations

import time

import pytest

from rules.expression import Expression, Scope, Undecided
from tests.crowding import crowding
from twins import bound
from twins.errors import Rejected


@pytest.mark.parametrize(
    "source",
    [
        "t > 30.0",
        '["a", "b"].exists(s, s == "a")',
        "[1.0, 2.0].all(x, [3.0].exists(y, x < y))",
        "'map(' == t",
        "t in [1.0]",
    ],
)
def test_ordinary_expressions_pass(source):
    bound.check(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("t > 1.0 || " * 100 + "true", "characters"),
        ("(" * 40 + "1" + ")" * 40, "deeper than 32"),
        ("[1].exists(a, [1].exists(b, [1].exists(c, true)))", "macros"),
        ("[1, 2].map(x, x)", "map() is not allowed"),
        ("t.matches('(a+)+$')", "matches() is not allowed"),
        ("t . matches ('a')", "matches() is not allowed"),
        ("[" + ",".join("1" * 120) + "].exists(x, [" + ",".join("1" * 120) + "].exists(y, x == y))", "steps"),
        ("[t].exists(x, [x" + "+x" * 100 + "].exists(y, y" + "+y" * 100 + " == x))", "steps"),
    ],
)
def test_what_may_cost_too_much_is_refused_before_it_runs(source, reason):
    with pytest.raises(Rejected) as refused:
        bound.check(source)
    assert reason in refused.value.reason


def test_the_costliest_expression_allowed_takes_under_ten_milliseconds():
    scope = Scope()
    costly = "[1,2,3,4,5,6,7,8,9].all(x, [1,2,3,4,5,6].all(y, x * y < 1000 && x * y < 1000 && x * y < 1000 && x < 99))"
    while True:  # the longest of this form that passes
        longer = costly.replace("x < 99)", "x * y < 999 && x < 99)")
        try:
            bound.check(longer)
        except Rejected:
            break
        costly = longer
    expression = Expression(costly)
    began = time.perf_counter()
    assert expression.holds(scope)
    assert time.perf_counter() - began < 0.01 * crowding()


def test_names_bound_by_macros_are_known():
    assert bound.bound_names("l.exists(s, s == t) && [1].all(n, n > 0)") == {"s", "n"}
    assert bound.bound_names("exists(s)") == set()


def test_words_in_strings_and_comments_are_no_functions():
    bound.check("t == 'x.map(y)' // matches(")


def test_a_repeated_sum_of_texts_stays_within_bounds():
    scope = Scope()
    scope.values = {"t": "x" * 256}
    with pytest.raises(Undecided, match="256"):
        Expression("t" + " + t" * 200).value(scope)
