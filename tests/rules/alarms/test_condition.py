"""When an alarm is raised and when that is over: every comparison, with and without a distance between the two."""

from __future__ import annotations

import pytest

from rules.alarms.condition import faults, pair


def comparison(operator="<", threshold=10, **more):
    return {"input": "t", "operator": operator, "threshold": threshold} | more


@pytest.mark.parametrize(
    ("condition", "raised", "cleared"),
    [
        (comparison(">"), "t > 10.0", "t <= 10.0"),
        (comparison(">="), "t >= 10.0", "t < 10.0"),
        (comparison("<"), "t < 10.0", "t >= 10.0"),
        (comparison("<="), "t <= 10.0", "t > 10.0"),
        (comparison("=="), "t == 10.0", "t != 10.0"),
        (comparison("!="), "t != 10.0", "t == 10.0"),
        (comparison("==", True), "t == true", "t != true"),
        (comparison(">", "limit"), "t > (limit)", "t <= (limit)"),
        (comparison(">", clearBelow=5), "t > 10.0", "t < 5.0"),
        (comparison("<", clearAbove="limit"), "t < 10.0", "t > (limit)"),
        (comparison(">", deadband=2), "t > 10.0", "t <= 10.0 - 2.0"),
        (comparison("<=", -10, deadband=2), "t <= -10.0", "t > -10.0 + 2.0"),
        ({"when": "t > 1.0 || x"}, "t > 1.0 || x", "!(t > 1.0 || x)"),
        ({"when": "t > 1.0", "clearWhen": "t < 0.5"}, "t > 1.0", "t < 0.5"),
    ],
)
def test_a_condition_is_two_expressions(alarm, condition, raised, cleared):
    spec = alarm(condition=condition).spec
    assert list(faults(spec)) == []
    assert pair(spec.condition) == (raised, cleared)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({}, "spec.condition: either input or when is needed"),
        (comparison() | {"when": "true"}, "spec.condition: either input or when is needed"),
        (comparison() | {"input": "tt"}, "spec.condition.input: 'tt' is no input; did you mean t?"),
        ({"input": "t"}, "spec.condition.threshold: is needed"),
        (comparison(clearWhen="true"), "spec.condition.clearWhen: belongs to when"),
        ({"when": "true", "deadband": 1}, "spec.condition.deadband: belongs to a comparison"),
        ({"when": "true", "clearBelow": 1}, "spec.condition.clearBelow: belongs to a comparison"),
        (comparison(clearBelow=5), "spec.condition.clearBelow: is for > and >=; the operator is <"),
        (comparison(">", clearBelow=11), "spec.condition.clearBelow: 11 is on the wrong side of the threshold 10"),
        (comparison("<", clearAbove=9), "spec.condition.clearAbove: 9 is on the wrong side of the threshold 10"),
        (comparison("==", deadband=1), "spec.condition.deadband: means nothing with =="),
        (comparison(">", clearBelow=5, deadband=1), "spec.condition: only one of clearBelow, clearAbove and deadband"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_with_its_path(alarm, condition, told):
    assert any(str(fault).startswith(told) for fault in faults(alarm(condition=condition).spec))
