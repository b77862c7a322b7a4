"""Aggregates over points, asked of rollups instead where that is the same answer. Pure; imports sqlglot.

A SELECT of `points` alone qualifies when it looks at numbers through sums, counts, extremes and spreads alone, at time
through buckets of whole minutes alone, and at nothing else but the names of series. Then it is the same to add up rows
that each stand for a minute or an hour of a series: n, sum, min, max, and m2, the sum of squared distances from the
mean, which parts of a bucket bring together by the identity of Chan, Golub and LeVeque (1979)

    m2 = Σ (m2ᵢ + nᵢ (meanᵢ - mean)²)

Sums of floats depend on their order, in rollups as in DuckDB's own threads: the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlglot import exp, parse_one

from store.schema import TABLES
from store.sql.question import Rolled
from store.sql.scope import NAMES, bounds, conditions, statement

TABLE = "rolled"
"""Its columns that points do not have begin with an underscore, as no name of the query does."""
_COLUMNS = frozenset(TABLES["points"])
_MOST = 200
"""Expressions that are selected; more are no question of a person, and cost more to look at than they save."""
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_HOURLY = frozenset(("hour", "day", "week", "month", "quarter", "year", "decade", "century"))
_SCALARS = (
    *(exp.Alias, exp.Column, exp.Identifier, exp.Literal, exp.Placeholder, exp.Null, exp.Boolean, exp.Paren, exp.Neg),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.Predicate, exp.And, exp.Or, exp.Not),
    *(exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Interval),
    *(exp.Var, exp.Round, exp.Abs, exp.Floor, exp.Ceil, exp.Sqrt, exp.Least, exp.Greatest, exp.Lower, exp.Upper),
    *(exp.Concat, exp.DPipe, exp.TimestampTrunc, exp.DateBin, exp.Tuple),
)
"""What may stand around aggregates and keys: each makes one value of the values in it."""

_M2 = "sum(_m2 + _n * power(_sum / _n - _mean, 2))"
_MERGED: dict[type[exp.Expr], str] = {
    exp.Avg: "sum(_sum) / nullif(sum(_n), 0)",
    exp.Sum: "sum(_sum)",
    exp.Min: "min(_min)",
    exp.Max: "max(_max)",
    exp.Count: "coalesce(sum(_n), 0)::BIGINT",
    exp.Stddev: f"CASE WHEN sum(_n) > 1 THEN sqrt({_M2} / (sum(_n) - 1)) END",
    exp.StddevSamp: f"CASE WHEN sum(_n) > 1 THEN sqrt({_M2} / (sum(_n) - 1)) END",
    exp.Variance: f"CASE WHEN sum(_n) > 1 THEN {_M2} / (sum(_n) - 1) END",
    exp.StddevPop: f"CASE WHEN sum(_n) > 0 THEN sqrt({_M2} / sum(_n)) END",
    exp.VariancePop: f"CASE WHEN sum(_n) > 0 THEN {_M2} / sum(_n) END",
}
"""How an aggregate of `value` is made of rollups. `_sum` and `_n` of a row without numbers are null and 0."""
_ROWS = "coalesce(sum(_points), 0)::BIGINT"
_SPREAD = (exp.Stddev, exp.StddevSamp, exp.Variance, exp.StddevPop, exp.VariancePop)


class _Unfit(Exception):
    """The query has to look at the points themselves."""


def rolled(query: exp.Expr, table: exp.Table) -> Rolled | None:
    """The query asked of rollups; `table` is the only place where it reads points. `None` when it needs the points."""
    place = next(place for place, node in enumerate(query.walk()) if node is table)
    copy = query.copy()
    found = next(node for number, node in enumerate(copy.walk()) if number == place)
    select = found.find_ancestor(exp.Select)
    if select is None or not isinstance(found, exp.Table):
        return None
    try:
        hourly, numbers = _Rewriting(select, found).run()
    except _Unfit:
        return None
    return Rolled(statement(copy), hourly, numbers)


class _Rewriting:
    """One SELECT, which is changed in place; of no use after `_Unfit`."""

    def __init__(self, select: exp.Select, table: exp.Table) -> None:
        self._select = select
        self._table = table
        self._own = {"", table.alias_or_name.lower()}
        self._aliases = {one.alias.lower(): one.this for one in select.expressions if isinstance(one, exp.Alias)}
        self._hourly = True
        self._spread = False
        self._numbers = False

    def run(self) -> tuple[bool, bool]:
        """Whether rows of an hour will do, and whether points without a number play no part."""
        self._check_form()
        keys = [key.copy() for key in self._keys()]
        self._take_conditions()
        aggregates = [self._fits(one) for one in self._select.expressions]
        for place in (*keys, *self._clauses()):
            self._fits(place)
        if not any(aggregates) or (self._spread and any(self._names_alias(key) for key in keys)):
            raise _Unfit
        self._merge()
        self._read_from(keys)
        return self._hourly, self._numbers

    def _check_form(self) -> None:
        select = self._select
        allowed = {"expressions", "from_", "where", "group", "having", "order", "limit", "offset", "with_"}
        if any(value for key, value in select.args.items() if key not in allowed):
            raise _Unfit
        if len(select.expressions) > _MOST:
            raise _Unfit
        if self._table.parent is not select.args.get("from_") or set(_given(self._table)) - {"this", "alias"}:
            raise _Unfit
        if any(name.startswith("_") for name in self._aliases):
            raise _Unfit
        alias = self._table.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise _Unfit
        group = select.args.get("group")
        if group is not None and set(_given(group)) - {"expressions", "all"}:
            raise _Unfit

    def _keys(self) -> list[exp.Expr]:
        """What it groups by, as expressions of columns."""
        group = self._select.args.get("group")
        if group is None:
            return []
        if group.args.get("all"):
            found = (one.unalias() for one in self._select.expressions)
            return [one for one in found if one.find(exp.AggFunc) is None]
        return [self._key(item) for item in group.expressions]

    def _key(self, item: exp.Expr) -> exp.Expr:
        if isinstance(item, exp.Literal):
            place = int(item.name) - 1 if item.is_int else -1
            if not 0 <= place < len(self._select.expressions):
                raise _Unfit
            expression: exp.Expr = self._select.expressions[place].unalias()
            return expression
        if isinstance(item, exp.Column) and not item.table and (name := item.name.lower()) in self._aliases:
            if name in _COLUMNS and not self._is_own_name(name):
                raise _Unfit  # a column and another expression have this name
            aliased: exp.Expr = self._aliases[name]
            return aliased
        return item

    def _is_own_name(self, name: str) -> bool:
        """True for `device AS device`."""
        one = self._aliases[name]
        return isinstance(one, exp.Column) and one.name.lower() == name

    def _take_conditions(self) -> None:
        """Leave in WHERE what asks for names alone; `rolled` is bounded in time otherwise."""
        left = []
        for condition in conditions(self._select):
            if _is_number_asked(condition, self._own):
                self._numbers = True
            elif not _is_bound(condition, self._own):
                if any(not self._is_name(column) for column in condition.find_all(exp.Column)):
                    raise _Unfit
                if condition.find(exp.Query, exp.AggFunc, exp.Window) is not None:
                    raise _Unfit
                left.append(condition)
        self._select.set("where", exp.Where(this=exp.and_(*left, copy=False)) if left else None)

    def _clauses(self) -> list[exp.Expr]:
        """Having and order: what else may name columns."""
        having, order = self._select.args.get("having"), self._select.args.get("order")
        found = [having.this] if having else []
        for one in order.expressions if order else ():
            if isinstance(one.this, exp.Column) and not one.this.table and one.this.name.lower() in self._aliases:
                continue  # an alias: ORDER BY looks for those first
            found.append(one.this)
        return found

    def _fits(self, place: exp.Expr) -> bool:
        """Look at all columns in an expression; true if there is an aggregate in it."""
        aggregates = list(place.find_all(exp.AggFunc))
        if any(not self._is_merged(one) for one in aggregates):
            raise _Unfit
        if any(
            not isinstance(node, _SCALARS) and node not in aggregates for node in place.walk() if not _is_star(node)
        ):
            raise _Unfit
        self._spread |= any(isinstance(one, _SPREAD) for one in aggregates)
        for column in place.find_all(exp.Column):
            if column.find_ancestor(*_MERGED) in aggregates or self._is_name(column) or self._is_alias(column):
                continue
            bucket = column.parent
            if bucket is None or not self._is_bucket(bucket) or column is not _time_of(bucket):
                raise _Unfit
        return bool(aggregates)

    def _is_merged(self, node: exp.Expr) -> bool:
        """True for an aggregate of `value` alone that rollups have, and for count(*)."""
        if type(node) not in _MERGED or set(_given(node)) - {"this", "big_int"}:
            return False
        return _counts_rows(node) or self._is_column(node.this, "value")

    def _is_name(self, node: exp.Column) -> bool:
        return node.name.lower() in NAMES and node.table.lower() in self._own

    def _is_column(self, node: object, name: str) -> bool:
        return isinstance(node, exp.Column) and node.name.lower() == name and node.table.lower() in self._own

    def _is_alias(self, column: exp.Column) -> bool:
        return not column.table and column.name.lower() in self._aliases and column.name.lower() not in _COLUMNS

    def _names_alias(self, key: exp.Expr) -> bool:
        """True for a key that only stands among what is selected."""
        return any(self._is_alias(column) for column in key.find_all(exp.Column))

    def _is_bucket(self, node: exp.Expr) -> bool:
        """True for the beginning of a span of whole minutes, in UTC as everything here; notes whether hours do."""
        time = _time_of(node)
        if time is None or not self._is_column(time, "time"):
            return False
        minutes = _width(node)
        if minutes is None:
            return False
        self._hourly &= minutes % 60 == 0
        return True

    def _merge(self) -> None:
        for key in ("expressions", "having", "order"):
            held = self._select.args.get(key)
            for place in held if isinstance(held, list) else [held] if held else []:
                for node in list(place.find_all(exp.AggFunc)):
                    node.replace(_parsed(_ROWS if _counts_rows(node) else _MERGED[type(node)]).copy())

    def _read_from(self, keys: Sequence[exp.Expr]) -> None:
        """`rolled` in place of `points`; with the mean of each group beside its rows where spreads are asked."""
        alias = exp.to_identifier(self._table.alias_or_name, quoted=True)
        source = exp.alias_(exp.to_table(TABLE), alias, table=True)
        if not self._spread:
            self._table.replace(source)
            return
        whole = ", ".join(key.sql("duckdb") for key in keys)
        over = f"OVER (PARTITION BY {whole})" if whole else "OVER ()"
        mean = parse_one(f"sum(_sum) {over} / nullif(sum(_n) {over}, 0) AS _mean", read="duckdb")
        inner = exp.select("*", mean).from_(source)
        inner.set("where", self._select.args.get("where"))
        self._select.set("where", None)
        self._table.replace(inner.subquery(alias.copy()))


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


@lru_cache(32)
def _parsed(sql: str) -> exp.Expr:
    """Copy it before it goes into a tree."""
    return exp.Paren(this=parse_one(sql, read="duckdb"))


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) and isinstance(node.parent, exp.Count)


def _counts_rows(node: exp.Expr) -> bool:
    return isinstance(node, exp.Count) and (node.this is None or isinstance(node.this, exp.Star))


def _is_bound(condition: exp.Expr, own: set[str]) -> bool:
    """True if bounds of time say all that the condition says."""
    found = list(bounds(condition, own))
    return len(found) == (2 if isinstance(condition, exp.Between | exp.EQ) else 1)


def _is_number_asked(condition: exp.Expr, own: set[str]) -> bool:
    """True for `value IS NOT NULL`."""
    if not isinstance(condition, exp.Not) or not isinstance(condition.this, exp.Is):
        return False
    column = condition.this.this
    asked = isinstance(column, exp.Column) and column.name.lower() == "value" and column.table.lower() in own
    return asked and isinstance(condition.this.expression, exp.Null)


def _time_of(node: exp.Expr) -> exp.Expr | None:
    """The time that a bucket is of."""
    key = ""
    if isinstance(node, exp.TimestampTrunc) and set(_given(node)) <= {"this", "unit"}:
        key = "this"
    if isinstance(node, exp.DateBin) and set(_given(node)) <= {"this", "expression"}:
        key = "expression"
    time: exp.Expr | None = node.args.get(key)
    return time


def _width(node: exp.Expr) -> int | None:
    """Minutes that a bucket is a multiple of; `None` for none."""
    if isinstance(node, exp.TimestampTrunc):
        unit = node.args["unit"].name.lower()
        return 60 if unit in _HOURLY else _MINUTES.get(unit)
    span = node.this
    if not isinstance(span, exp.Interval) or not isinstance(span.this, exp.Literal):
        return None
    given = f"{span.this.name} {span.args['unit'].name}" if span.args.get("unit") else span.this.name
    number, _, unit = given.strip().lower().partition(" ")
    each = _MINUTES.get(unit.strip().removesuffix("s"))
    if each is None or not number.isascii() or not number.isdigit() or not 0 < int(number) < 100_000:
        return None
    return int(number) * each
