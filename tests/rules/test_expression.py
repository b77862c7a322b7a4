from __future__ import annotations

import pytest

from rules.expression import Expression, Scope, Template, Undecided, show
from twins.errors import Rejected


class Always:
    def __init__(self, answer):
        self.answer = answer

    def contains(self, at):
        return self.answer


@pytest.fixture
def scope():
    scope = Scope()
    scope.values = {"t": 31.5, "name": "abc", "open": True, "odd": float("nan")}
    scope.windows = {"night": Always(True), "day": Always(False)}
    scope.device, scope.input, scope.key, scope.timer = "default/door-7", "t", "room", "patience"
    return scope


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("t > 30.0", True),
        ("t > 30", True),
        ("t - 1.5", 30.0),
        ("size(name)", 3.0),
        ("name + '!'", "abc!"),
        ("open && name.startsWith('a')", True),
        ("missing > 1.0 || open", True),
        ('within("night") && !within("day")', True),
        ('timeout("patience")', True),
        ('timeout("other")', False),
        ('known("t") && !known("missing")', True),
        ('part(device, "-", 1)', "7"),
        ('part(device, "-", -1.0)', "7"),
        ("device + input + key", "default/door-7troom"),
        ('["a", "abc"].exists(s, s == name)', True),
    ],
)
def test_values(scope, source, value):
    result = Expression(source).value(scope)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("missing > 1.0", "no value yet of missing"),
        ("t - 1", "float - int"),
        ("name > 1.0", "overload"),
        ("odd > 1.0", "overload"),
        ("1 / 0", "zero"),
        ("[1][3]", "bounds"),
        ("{'a': 1}['b']", "b"),
        ("9223372036854775807 + 1", "overflow"),
        ("1.0 / 0.0", "finite"),
        ("[t]", "finite"),
        ("null", "finite"),
        ('part(device, "-", 9)', "finite"),
        ("part(1, 2)", "finite"),
        ("Foo{}", "struct"),
    ],
)
def test_what_has_no_usable_value_says_why(scope, source, why):
    with pytest.raises(Undecided, match=why):
        Expression(source).value(scope)


def test_a_condition_must_be_true_or_false(scope):
    assert Expression("t > 1.0").holds(scope) is True
    with pytest.raises(Undecided, match="neither true nor false"):
        Expression("t").holds(scope)
    with pytest.raises(Undecided):
        Expression('within("unknown")').holds(scope)


@pytest.mark.parametrize("source", ["", "t >", "a b", "'open", "1..2", "t.?x", "has(1)"])
def test_what_is_no_cel_is_refused_with_the_place(source):
    with pytest.raises(Rejected) as refused:
        Expression(source)
    assert refused.value.reason.startswith("not a CEL expression: 1:")


def test_failing_functions_write_nothing_to_the_terminal(scope, capfd):
    for source in ("within()", "within(1, 2)", "timeout([])", "part(device)", "part(device, '', 0)", "known()"):
        with pytest.raises(Undecided):
            Expression(f"{source} == 'x' && 1 / 0 > 0 || 1 / 0 > 0").value(scope)
    assert capfd.readouterr().err == ""


def test_names_functions_and_arguments_are_known_without_running():
    expression = Expression('t > limit && within("night") && [1].exists(x, x > 0) && within(name)')
    assert expression.names() == {"t", "limit", "name"}
    assert {"within", "exists"} >= expression.functions() >= {"within"}
    assert expression.calls("within") == ["night", None]
    assert expression.calls("timeout") == []


def test_a_template_fills_in_values(scope):
    template = Template('${device}: ${t} °C ${ {"a": "}"}["a"] } ${open}')
    assert template.text(scope) == "default/door-7: 31.5 °C } true"
    assert len(template.expressions) == 4
    assert Template("no values").text(scope) == "no values"


def test_a_template_without_a_value_is_told_to_people_all_the_same(scope):
    template = Template("${missing} isn't ${t}")
    assert template.rough(scope) == "? isn't 31.5"
    with pytest.raises(Undecided):
        template.text(scope)


def test_an_open_template_is_refused():
    with pytest.raises(Rejected, match="not closed"):
        Template("${t")


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (81.0, "81"), (-0.5, "-0.5"), (1e300, "1e+300"), ("x", "x")]
)
def test_values_are_written_as_twins_write_them(value, text):
    assert show(value) == text
