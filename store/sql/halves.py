"""Each aggregate in two halves: what every node works out of its rows, and what the coordinator makes of that.

Sums, counts and extremes add up. A mean is a sum and a count. A variance is n, Σx and the sum of squared distances from
the mean, which parts bring together by the identity of Chan, Golub and LeVeque (1979):

    M2 = Σ (M2ᵢ + nᵢ (meanᵢ - mean)²)

What no number of fixed size can stand for (distinct values, exact quantiles) is *spread out*: nodes group by the value
too, so that each value comes once with its count, and the coordinator sees all values. For `approx_quantile` the value
is rounded to 1 % first (the buckets of DDSketch: Masson, Rim and Lee 2019), so a few hundred rows stand for any number.
Imports sqlglot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlglot import exp, parse_one

from store.schema import TABLES

_NUMBERS = frozenset(("DOUBLE", "BIGINT"))
_SAME = (exp.Sum, exp.Min, exp.Max, exp.First, exp.Last, exp.LogicalAnd, exp.LogicalOr)
"""Made again of what they gave."""
_SPREADS = (exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop)
_BY = (exp.ArgMax, exp.ArgMin)
_QUANTILES = (exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.ApproxQuantile)
_ERROR = 0.01
"""Relative error of `approx_quantile`."""
_STEP = math.log((1 + _ERROR) / (1 - _ERROR))
_MIDDLE = 1 - _ERROR
"""Of a bucket, in parts of its upper end: no value in it is farther away than the error."""


class Unfit(Exception):
    """There is no such half: the rows themselves are wanted."""


class Halves:
    """Collects what nodes are asked for; `merged` gives what stands for an aggregate in the coordinator's query."""

    def __init__(self, table: str, keys: int) -> None:
        self.partial: dict[str, exp.Expr] = {}
        """Aggregates by the name of their column."""
        self.values: dict[str, exp.Expr] = {}
        """Expressions that are grouped by too, by the name of their column."""
        self.windows: dict[str, exp.Expr] = {}
        """Columns that the coordinator adds to the rows before it groups them."""
        self.sketched = False
        self._numbers = frozenset(name for name, kind in TABLES[table].items() if kind in _NUMBERS)
        self._keys = [f"_k{number}" for number in range(keys)]

    def merged(self, unit: exp.Expr) -> exp.Expr:
        """`unit` is an aggregate with its FILTER. Raises Unfit."""
        function, condition = unit, None
        if isinstance(unit, exp.Filter):
            function, condition = unit.this, unit.expression.this
        if isinstance(function, exp.IgnoreNulls) and isinstance(function.this, exp.AnyValue):
            function = function.this
        made = self._merged(function, condition)
        return exp.Paren(this=made)

    def _merged(self, function: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        if isinstance(function, exp.WithinGroup):
            return self._within(function, condition)
        value = function.this
        if isinstance(value, exp.Distinct):
            return self._distinct(function, value, condition)
        if isinstance(function, exp.ApproxDistinct):
            return exp.Count(this=exp.Distinct(expressions=[self._value(value, condition)]))
        if isinstance(function, exp.Count) and not function.expressions:
            counted = exp.Count(this=exp.Star() if value is None else value.copy())
            return _sql(f"coalesce(sum({self._ask(counted, condition)}), 0)::BIGINT")
        if isinstance(function, exp.CountIf):
            return _sql(f"sum({self._ask(function.copy(), condition)})")
        if isinstance(function, _QUANTILES):
            return self._quantile(function, value, _fraction(function), condition)
        if isinstance(function, _BY):
            return self._by(function, condition)
        if not isinstance(value, exp.Expr) or isinstance(value, exp.Order) or _more(function):
            raise Unfit
        if isinstance(function, exp.Anonymous):
            raise Unfit
        if isinstance(function, exp.AnyValue):
            return _sql(f"any_value({self._ask(function.copy(), condition)})")
        if isinstance(function, _SAME):
            return type(function)(this=exp.column(self._ask(function.copy(), condition)))
        if isinstance(function, exp.Avg):
            total, count = self._total(value, condition)
            return _sql(f"sum({total}) / nullif(sum({count}), 0)")
        if isinstance(function, _SPREADS):
            return self._spread(function, value, condition)
        raise Unfit

    def _total(self, value: exp.Expr, condition: exp.Expr | None) -> tuple[str, str]:
        if not self._is_number(value):
            raise Unfit
        total = exp.cast(exp.Sum(this=value.copy()), "DOUBLE")
        return self._ask(total, condition), self._ask(exp.Count(this=value.copy()), condition)

    def _spread(self, function: exp.Expr, value: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        total, count = self._total(value, condition)
        among = exp.Mul(this=exp.VariancePop(this=value.copy()), expression=exp.Count(this=value.copy()))
        squares = self._ask(among, condition)
        mean = self._window(f"sum({total}) OVER (#) / nullif(sum({count}) OVER (#), 0)")
        m2 = f"sum({squares} + {count} * power({total} / nullif({count}, 0) - {mean}, 2))"
        n = f"sum({count})"
        if isinstance(function, exp.StddevPop | exp.VariancePop):
            found = f"CASE WHEN {n} > 0 THEN {m2} / {n} END"
        else:
            found = f"CASE WHEN {n} > 1 THEN {m2} / ({n} - 1) END"
        root = isinstance(function, exp.Stddev | exp.StddevSamp | exp.StddevPop)
        return _sql(f"sqrt({found})" if root else found)

    def _by(self, function: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        """The value beside the greatest: each node's, with how great that was."""
        value, order = function.this, function.expression
        if value is None or order is None or function.args.get("count"):
            raise Unfit
        there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
        extreme = (exp.Max if isinstance(function, exp.ArgMax) else exp.Min)(this=order.copy())
        wanted = there if condition is None else exp.and_(there, condition)
        best = self._ask(extreme, wanted)
        found = self._ask(function.copy(), condition)
        return type(function)(this=exp.column(found), expression=exp.column(best))

    def _distinct(self, function: exp.Expr, given: exp.Distinct, condition: exp.Expr | None) -> exp.Expr:
        if len(given.expressions) != 1 or given.args.get("on") or _more(function):
            raise Unfit
        if not isinstance(function, exp.Count | exp.Sum | exp.Avg | exp.Min | exp.Max):
            raise Unfit
        return type(function)(this=exp.Distinct(expressions=[self._value(given.expressions[0], condition)]))

    def _within(self, function: exp.WithinGroup, condition: exp.Expr | None) -> exp.Expr:
        """`percentile_cont(0.5) WITHIN GROUP (ORDER BY value)`."""
        order = function.expression.expressions
        if (
            len(order) != 1
            or order[0].args.get("desc")
            or not isinstance(function.this, exp.PercentileCont | exp.PercentileDisc)
        ):
            raise Unfit
        return self._quantile(function.this, order[0].this, function.this.this, condition)

    def _quantile(
        self, function: exp.Expr, value: exp.Expr | None, fraction: exp.Expr | None, condition: exp.Expr | None
    ) -> exp.Expr:
        if value is None or not self._is_number(value):
            raise Unfit
        if isinstance(function, exp.ApproxQuantile):
            self.sketched = True
            value = _rounded(value)
        if isinstance(fraction, exp.Array):
            found = [self._one_quantile(function, value, _number(one), condition) for one in fraction.expressions]
            count = self._ask(exp.Count(this=value.copy()), condition)
            there = _sql(f"sum({count}) > 0")
            return exp.Case(ifs=[exp.If(this=there, true=exp.Array(expressions=found))])
        return self._one_quantile(function, value, _number(fraction), condition)

    def _one_quantile(
        self, function: exp.Expr, value: exp.Expr, fraction: float, condition: exp.Expr | None
    ) -> exp.Expr:
        """The value at a rank, counted from 0: how many values come up to it is a running sum of counts."""
        name = self._value(value, condition).name
        count = self._ask(exp.Count(this=value.copy()), condition)
        up_to = self._window(f"sum({count}) OVER (# ORDER BY {name})")
        total = self._window(f"sum({count}) OVER (#)")
        if not isinstance(function, exp.Median | exp.PercentileCont):
            rank = f"greatest(1, ceil({fraction!r} * {total})) - 1"
            return _sql(f"min({name}) FILTER (WHERE {count} > 0 AND {up_to} > {rank})")
        place = f"{fraction!r} * ({total} - 1)"
        low = f"min({name}::DOUBLE) FILTER (WHERE {count} > 0 AND {up_to} > floor({place}))"
        high = f"min({name}::DOUBLE) FILTER (WHERE {count} > 0 AND {up_to} > ceil({place}))"
        part = f"max({place} - floor({place}))"
        return _sql(f"CASE WHEN {part} > 0 THEN {low} + ({high} - {low}) * {part} ELSE {low} END")

    def _ask(self, aggregate: exp.Expr, condition: exp.Expr | None) -> str:
        """Have the nodes work this out; the name of its column."""
        if condition is not None:
            for function in [one for one in aggregate.find_all(exp.AggFunc) if not isinstance(one.parent, exp.Filter)]:
                wrapped = exp.Filter(this=function.copy(), expression=exp.Where(this=condition.copy()))
                if function is aggregate:
                    aggregate = wrapped
                else:
                    function.replace(wrapped)
        return _kept(self.partial, "_a", aggregate)

    def _value(self, value: exp.Expr, condition: exp.Expr | None) -> exp.Column:
        """Have the nodes group by this too."""
        if condition is not None:
            value = exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())])
        return exp.column(_kept(self.values, "_v", value.copy()))

    def _window(self, template: str) -> str:
        """`#` stands for the rows of the group."""
        among = f"PARTITION BY {', '.join(self._keys)}" if self._keys else ""
        return _kept(self.windows, "_w", _sql(template.replace("#", among)))

    def _is_number(self, node: exp.Expr) -> bool:
        """True where the type is surely a number's: of times and texts there is no sum."""
        match node:
            case exp.Column():
                return node.name.lower() in self._numbers
            case exp.Literal():
                return not node.is_string
            case exp.Paren() | exp.Neg() | exp.Abs() | exp.Round() | exp.Floor() | exp.Ceil():
                return self._is_number(node.this)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.Mod() | exp.Pow() | exp.IntDiv():
                return self._is_number(node.this) and self._is_number(node.expression)
            case exp.Sqrt() | exp.Ln() | exp.Exp() | exp.Length() | exp.Extract():
                return True
            case exp.Cast():
                return bool(node.to.is_type(*exp.DataType.NUMERIC_TYPES))
            case exp.Case():
                last = node.args.get("default")
                ways: list[exp.Expr] = [one.args["true"] for one in node.args["ifs"]]
                return all(map(self._is_number, [*ways, *([last] if last is not None else [])]))
        return False


def is_aggregate(node: exp.Expr) -> bool:
    """True for an aggregate, whether there are halves of it or not, with its FILTER or order around it."""
    if isinstance(node, exp.Filter | exp.WithinGroup):
        return True
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return isinstance(node.this, exp.AggFunc)
    return isinstance(node, exp.AggFunc) or (isinstance(node, exp.Anonymous) and node.name.lower() in _NAMELESS)


_NAMELESS = frozenset(("count_star", "product", "mad", "histogram", "list", "bool_and", "bool_or", "regr_r2"))
"""Aggregates that sqlglot has no class for."""


def _kept(columns: dict[str, exp.Expr], prefix: str, wanted: exp.Expr) -> str:
    """The name under which it is there already, or from now on."""
    for name, known in columns.items():
        if known == wanted:
            return name
    name = f"{prefix}{len(columns)}"
    columns[name] = wanted
    return name


def _more(function: exp.Expr) -> Sequence[str]:
    """Arguments beside the first."""
    return [key for key, value in function.args.items() if value and key not in {"this", "big_int"}]


def _fraction(function: exp.Expr) -> exp.Expr | None:
    if isinstance(function, exp.Median):
        return exp.Literal.number("0.5")
    found = function.args.get("quantile") or function.args.get("expression")
    return found if isinstance(found, exp.Expr) else None


def _number(fraction: exp.Expr | None) -> float:
    if not isinstance(fraction, exp.Literal) or fraction.is_string or not 0 <= float(fraction.name) <= 1:
        raise Unfit
    return float(fraction.name)


def _rounded(value: exp.Expr) -> exp.Expr:
    """The middle of the bucket that a value falls into."""
    x = f"({value.sql('duckdb')})"
    bucket = f"sign({x}) * {_MIDDLE!r} * exp({_STEP!r} * ceil(ln(abs({x})) / {_STEP!r}))"
    return _sql(f"CASE WHEN abs({x}) > 1e-300 THEN {bucket} ELSE {x} * 0 END")


def _sql(text: str) -> exp.Expr:
    return parse_one(text, read="duckdb")
