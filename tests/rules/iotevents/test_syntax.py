from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.expression import Expression, Scope, Undecided
from rules.iotevents.syntax import FUNCTIONS, parse, template
from twins.errors import Rejected

X, Y = "$input.In.x", "$variable.y"
SIGNS = (*" $.,()[]{}'\"`\\!~-+*/<>=&|^0", "input", "variable", "In", "x", "1.5", "true", "String", "${", *FUNCTIONS)


@pytest.mark.parametrize(
    ("condition", "cel"),
    [
        (f"{X} > 30", "x > 30.0"),
        (f"({X} + {Y}) * 2 >= 1.5e3", "(x + y) * 2.0 >= 1500.0"),
        (f"{X} - ({Y} - 1) == 0", "x - (y - 1.0) == 0.0"),
        (f"{X} - {Y} - 1 == 0", "x - y - 1.0 == 0.0"),
        (f"!({X} > 1 || {Y} < 2) && true", "!(x > 1.0 || y < 2.0) && true"),
        (f"({X} > 1) == ({Y} > 1)", "(x > 1.0) == (y > 1.0)"),
        (f"{X} > 1 == true", "(x > 1.0) == true"),
        (f"-{X} < -(-5)", "-x < -(-5.0)"),
        (f"{X} == 'it\\'s'", 'x == "it\'s"'),
        (f"{X} == 'a' + 'b'", 'x == "a" + "b"'),
        ('timeout("patience")', 'timeout("patience")'),
        (f'triggerType("Message") && {X} > 1', 'input != "" && x > 1.0'),
        ('triggerType("Timer")', 'input == ""'),
        (f'currentInput("In") && {X} > 1', 'input == "x" && x > 1.0'),
        (f'currentInput("In") && {X} > $input.In.z', '(input == "x" || input == "z") && x > z'),
        (f"isUndefined({X}) || {X} < 3", '!known("x") || x < 3.0'),
        (f"isUndefined({Y}) || {Y} < 3", "!y_known || y < 3.0"),
        (f"convert(Decimal, {X}) > 3", "double(x) > 3.0"),
        (f"convert('String', {X} + 1) == '3'", 'string(x + 1.0) == "3"'),
        (f"startsWith({X}, 'a') && contains({X}, 'b')", 'x.startsWith("a") && x.contains("b")'),
        ("$input.In.data.`motor pressure`[2] > 1", "motor_pressure_2 > 1.0"),
        ("$input.In.`if` && $input.In.device", "In_if && In_device"),
        ("$input.In.id == 'a'", 'part(device, "/", 1) == "a"'),
        (f"{X} + 1", "false"),
    ],
)
def test_an_expression_has_the_same_meaning_in_cel(make: Any, condition: str, cel: str) -> None:
    assert make.cel(condition) == cel


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "the end at character 1 is not expected: a value is needed"),
        ("1 +", "the end at character 4 is not expected: a value is needed"),
        ("(1", "the end at character 3 is not expected: ) is needed"),
        ("1 2", "'2' at character 3 is not expected"),
        ("1 % 2", "'%' at character 3 means nothing in an expression of IoT Events"),
        ("median(1)", "median() is no function of IoT Events; valid:"),
        ("timeOut('x')", "timeOut() is no function of IoT Events; did you mean timeout?"),
        ("convert(String)", "convert() takes 2 arguments, not 1"),
        ("$input.In", "$input.In has another form than $input.NAME.path"),
        ("$variable.a.b", "$variable.a.b has another form than $variable.NAME"),
        ("$output.a", "$output is neither $input nor $variable"),
        ("temperature > 5", "'temperature' is neither a value nor a function"),
        ("'open", "the text that begins at character 1 has no end"),
        ("'${$variable.x'", "${ at character 2 is not closed by }"),
        ("'${1 +}'", "the end at character 4 is not expected: a value is needed"),
        ("1e999", "1e999 is no finite number"),
        ("(" * 2000, "the expression is nested deeper than 64"),
        ("!" * 2000, "the expression is nested deeper than 64"),
        ("1" + "+1" * 500, "the expression has more than 64 operators within one another"),
        ("'${" * 600 + "}'" * 80, ""),
        ("1" * 2049, "the expression has 2049 characters; 2048 are allowed"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(source: str, why: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(source)
    assert refused.value.reason.startswith(why)


@given(st.text(max_size=80) | st.lists(st.sampled_from(SIGNS), max_size=40).map("".join))
def test_no_text_makes_the_parser_fail_otherwise(source: str) -> None:
    for reader in (parse, template):
        with suppress(Rejected):
            reader(source)


@given(st.lists(st.sampled_from(SIGNS), min_size=1, max_size=12).map("".join))
def test_whatever_can_be_read_becomes_cel_or_is_told(make: Any, source: str) -> None:
    try:
        cel = make.cel(source)
    except Rejected:
        return
    Expression(cel)


ARITHMETIC = st.recursive(
    st.sampled_from([X, Y, "3", "0.5"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join) | inner.map("({})".format),
    max_leaves=12,
)


@given(ARITHMETIC, st.integers(-9, 9), st.integers(-9, 9))
def test_arithmetic_gives_what_the_same_operators_give_anywhere(make: Any, source: str, x: int, y: int) -> None:
    plain = source.replace(X, f"({x})").replace(Y, f"({y})")
    scope = Scope()
    scope.values = {"x": float(x), "y": float(y)}
    expected = float(eval(plain))  # our own signs and numbers, by Python's equal precedence
    cel = make.cel(f"{source} == {X}").rpartition(" == ")[0]
    assert Expression(cel).value(scope) == expected


@given(st.lists(st.sampled_from(["x", "!x", "y", "(x && !y)", "(x || y)"]), min_size=1, max_size=6), st.data())
def test_logic_gives_what_the_same_operators_give_anywhere(make: Any, terms: list[str], data: Any) -> None:
    signs = [data.draw(st.sampled_from(["&&", "||"])) for _ in terms[1:]]
    source = terms[0] + "".join(f" {sign} {term}" for sign, term in zip(signs, terms[1:], strict=True))
    x, y = data.draw(st.booleans()), data.draw(st.booleans())
    plain = source.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    scope = Scope()
    scope.values = {"x": x, "y": y}
    cel = make.cel(source.replace("x", X).replace("y", Y))
    try:
        found = Expression(cel).holds(scope)
    except Undecided:
        pytest.fail(cel)
    assert found == eval(plain, {"x": x, "y": y})  # our own signs
