"""PromQL as SQL. Imports promql_parser: load it when first needed."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import promql_parser as promql

from twins.errors import Rejected
from web.prometheus.vector import (
    AGGREGATES,
    LABELS,
    LAST,
    RATES,
    WINDOWS,
    Matcher,
    Steps,
    Vector,
    aggregate,
    combined,
    last,
    window,
)

_LONGEST = 20_000
_LONGEST_BARE = 2_000
_DEEPEST = 100
"""Characters of an expression, those outside of texts, and signs among these that nest. The parser is slow where they
are many, and where a text does not end."""
_TEXT = re.compile(r""""(?:\\.|[^"\\])*+("?)|'(?:\\.|[^'\\])*+('?)|`[^`]*+(`?)""", re.DOTALL)
_SIGNS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "^": operator.pow,
}
_MATCHES = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def translated(text: str, steps: Steps) -> Vector | float:
    """A vector, or the number that an expression of numbers alone is. Raises Rejected."""
    return _made(_parsed(text), steps)


def matchers(text: str) -> list[Matcher]:
    """Of a selector such as `temperature{device="t-1"}`. Raises Rejected."""
    node = _parsed(text)
    if not isinstance(node, promql.VectorSelector):
        reason = f"{text[:100]} is no selector of series"
        raise Rejected(reason)
    return _matchers(node)


def _parsed(text: str) -> Any:
    bare = _TEXT.sub(lambda found: "" if any(found.groups()) else "\\", text)
    if len(text) > _LONGEST or len(bare) > _LONGEST_BARE or sum(map(bare.count, "(-+{[")) > _DEEPEST:
        reason = f"invalid parameter query: longer than {_LONGEST} characters, or nested too deeply"
        raise Rejected(reason)
    if "\\" in bare:
        raise Rejected("invalid parameter query: a text does not end")
    try:
        return promql.parse(text)
    except ValueError as error:
        reason = f"invalid parameter query: {error}"
        raise Rejected(reason) from error


def _made(node: Any, steps: Steps) -> Vector | float:
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return _made(node.expr, steps)
        case promql.UnaryExpr():
            inner = _made(node.expr, steps)
            return combined(inner, "*", -1.0) if isinstance(inner, Vector) else -inner
        case promql.BinaryExpr():
            return _binary(node, steps)
        case promql.VectorSelector():
            return last(_matchers(node), steps, _offset(node))
        case promql.Call():
            return _call(node, steps)
        case promql.AggregateExpr():
            return _aggregate(node, steps)
    raise _unsupported(node)


def _binary(node: Any, steps: Steps) -> Vector | float:
    left, right, sign = _made(node.lhs, steps), _made(node.rhs, steps), str(node.op)
    if isinstance(left, Vector) and isinstance(right, Vector):
        raise _unsupported(node)
    as_number = bool(node.modifier and node.modifier.return_bool)
    if isinstance(left, Vector):
        assert not isinstance(right, Vector)
        return combined(left, sign, right, as_number=as_number)
    if isinstance(right, Vector):
        return combined(right, sign, left, turned=True, as_number=as_number)
    if sign not in _SIGNS:
        raise _unsupported(node)
    try:
        return float(_SIGNS[sign](left, right))
    except (ArithmeticError, TypeError):
        return float("nan")


def _call(node: Any, steps: Steps) -> Vector:
    name = node.func.name
    if name not in (LAST, *WINDOWS, *RATES) or not isinstance(node.args[0], promql.MatrixSelector):
        raise _unsupported(node)
    selector, width = node.args[0].vector_selector, _microseconds(node.args[0].range)
    if name == LAST:
        return last(_matchers(selector), steps, _offset(selector), width)
    return window(name, _matchers(selector), steps, _offset(selector), width)


def _aggregate(node: Any, steps: Steps) -> Vector:
    name, inner = str(node.op), _made(node.expr, steps)
    if name not in AGGREGATES or node.param is not None or not isinstance(inner, Vector):
        raise _unsupported(node)
    if node.modifier is None:
        return aggregate(name, inner, ())
    named = node.modifier.labels
    if node.modifier.type == promql.AggModifierType.Without:
        named = [label for label in LABELS if label != "__name__" and label not in named]
    return aggregate(name, inner, named)


def _matchers(node: Any) -> list[Matcher]:
    if node.at is not None or node.matchers.or_matchers:
        raise _unsupported(node)
    named = [Matcher("__name__", "=", node.name)] if node.name else []
    return named + [
        Matcher(one.name, _MATCHES[str(one.op).rpartition(".")[2]], one.value) for one in node.matchers.matchers
    ]


def _offset(node: Any) -> int:
    return 0 if node.offset is None else _microseconds(node.offset)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _unsupported(node: Any) -> Rejected:
    there = f"selectors, {', '.join((LAST, *WINDOWS, *RATES))}, {', '.join(AGGREGATES)} and arithmetic with numbers"
    return Rejected(f"{str(node)[:100]} is not supported: there are {there}; for more ask in SQL")
