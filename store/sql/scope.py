"""What a query can see of the points at most, read off its tree: it need not look at more. Pure; imports sqlglot.

All this may only ever say too much: a condition that is not understood bounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from store.sql.question import Limit, OneOf, Scope, Statement

NAMES = frozenset(("node", "namespace", "device", "property"))
"""Columns that are the same in all points of a series."""
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.EQ: exp.EQ,
}
_IN_ORDER = ("ASOF", "POSITIONAL")
"""Joins that choose among the rows there are: fewer rows would change what they choose."""


def scope(table: exp.Table) -> Scope:
    """Of the only table of points in a query: what the conditions of its SELECT leave of it."""
    select = table.find_ancestor(exp.Select)
    if select is None or not _plain(table, select):
        return Scope()
    own = {table.alias_or_name.lower()}
    if not select.args.get("joins") and not select.args.get("laterals"):
        own.add("")
    since: list[Limit] = []
    until: list[Limit] = []
    names: list[OneOf] = []
    for condition in conditions(select):
        for found in bounds(condition, own):
            (since if found[0] in (exp.GT, exp.GTE) else until).append(found[1])
        one_of = _one_of(condition, own)
        names += [one_of] if one_of else []
    return Scope(tuple(since), tuple(until), tuple(names))


def conditions(select: exp.Select) -> Iterator[exp.Expr]:
    """What the WHERE asks, each of which every row meets."""
    where = select.args.get("where")
    if where is not None:
        yield from where.this.flatten() if isinstance(where.this, exp.And) else (where.this,)


def bounds(condition: exp.Expr, own: set[str]) -> Iterator[tuple[type[exp.Expr], Limit]]:
    """The bounds of the time in this condition: each with the comparison, whose left side is the time."""
    condition = _bare(condition)
    if isinstance(condition, exp.Between) and not condition.args.get("symmetric"):
        if _is_column(condition.this, {"time"}, own):
            for end, side in ((exp.GTE, condition.args["low"]), (exp.LTE, condition.args["high"])):
                if constant(side):
                    yield end, Limit(statement(side), inclusive=True)
        return
    kind: type[exp.Expr] = type(condition)
    if kind not in _MIRRORED:
        return
    left, right = condition.this, condition.expression
    if not _is_column(left, {"time"}, own):
        left, right, kind = right, left, _MIRRORED[kind]
    if _is_column(left, {"time"}, own) and constant(right):
        ends: tuple[type[exp.Expr], ...] = (exp.GTE, exp.LTE) if kind is exp.EQ else (kind,)
        for one in ends:
            yield one, Limit(statement(right), inclusive=one in (exp.GTE, exp.LTE))


def statement(node: exp.Expr) -> Statement:
    """As text, with the parameters it uses."""
    used = {int(found.name) for found in node.find_all(exp.Placeholder)}
    return Statement(node.sql("duckdb", comments=False), tuple(sorted(used)))


def constant(node: exp.Expr) -> bool:
    """True if the value is the same for all rows, and needs none: no function that is allowed has a mood."""
    varying = exp.Column, exp.Query, exp.AggFunc, exp.Window, exp.Star, exp.Identifier
    return not isinstance(node, varying) and node.find(*varying) is None


def _plain(table: exp.Table, select: exp.Select) -> bool:
    """True if the table stands in FROM or in a join of this SELECT, and no join chooses among its rows."""
    joins: Sequence[exp.Join] = select.args.get("joins") or ()
    above = table.parent
    if not isinstance(above, exp.From | exp.Join) or above.parent is not select:
        return False
    return not any((join.args.get(key) or "").upper() in _IN_ORDER for join in joins for key in ("method", "kind"))


def _one_of(condition: exp.Expr, own: set[str]) -> OneOf | None:
    """For `device = 'a'` and `device IN ('a', ?)`: the column and what it may be."""
    condition = _bare(condition)
    if isinstance(condition, exp.EQ):
        column, sides = condition.this, [condition.expression]
        if not isinstance(column, exp.Column):
            column, sides = condition.expression, [condition.this]
    elif isinstance(condition, exp.In) and condition.args.get("query") is None and not condition.args.get("unnest"):
        column, sides = condition.this, condition.expressions
    else:
        return None
    if not sides or not _is_column(column, NAMES, own):
        return None
    values: list[str | int] = []
    for side in map(_bare, sides):
        if isinstance(side, exp.Literal) and side.is_string:
            values.append(side.name)
        elif isinstance(side, exp.Placeholder):
            values.append(int(side.name))
        else:
            return None
    return OneOf(column.name.lower(), tuple(values))


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _is_column(node: exp.Expr, names: set[str] | frozenset[str], own: set[str]) -> bool:
    node = _bare(node)
    return isinstance(node, exp.Column) and node.name.lower() in names and node.table.lower() in own
