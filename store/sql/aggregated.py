"""A SELECT that groups or aggregates one table of a group of nodes: partial aggregates there, the rest here. Pure."""

from __future__ import annotations

from typing import Literal

from sqlglot import exp

from store.schema import TABLES
from store.sql.halves import Halves, Unfit, is_aggregate
from store.sql.reach import Reach, conditions, own

Way = Literal["partial aggregates", "counted values", "sketch", "first rows", "rows"]
"""What nodes send. `counted values`: each value once, with its count, as exact quantiles and distinct counts want."""
_ALLOWED = {
    "expressions",
    "from_",
    "where",
    "group",
    "having",
    "qualify",
    "order",
    "limit",
    "offset",
    "with_",
    "distinct",
}
"""Clauses that partial aggregates can answer."""
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


class Aggregated:
    """A SELECT that groups or aggregates one table of the group. `run` raises Unfit where it does not fit."""

    def __init__(self, reach: Reach, name: str) -> None:
        self._reach = reach
        self._name = name
        self._select = reach.select
        self._alias = exp.to_identifier(reach.alias)

    def run(self) -> tuple[exp.Select, str, Way]:
        """The coordinator's SELECT, what nodes are asked, and what they send then."""
        given = {key for key, value in self._select.args.items() if value}
        if not self._reach.alone or given - _ALLOWED or self._reach.table.parent is not self._select.args["from_"]:
            raise Unfit
        places = self._places(self._select)
        found = [unit for place in places for unit in units(place)]
        if not ({"group", "distinct"} & given or found) or not all(map(self._reach.holds, found)):
            raise Unfit
        if not all(map(self._reach.holds, conditions(self._select))) or not all(map(self._is_closed, places)):
            raise Unfit
        keys = [self._reach.bare(key) for key in self._keys()]
        halves = Halves(self._reach.name, len(keys))
        changed = self._merged(keys, halves)
        way: Way = "sketch" if halves.sketched else "counted values" if halves.values else "partial aggregates"
        return changed, self._asked(keys, halves), way

    def _merged(self, keys: list[exp.Expr], halves: Halves) -> exp.Select:
        """The SELECT over what the nodes answered."""
        select = self._select.copy()
        for one in [one for one in select.expressions if not isinstance(one, exp.Alias)]:
            one.replace(exp.alias_(one.copy(), _title(one), quoted=True))
        titles = {one.alias.lower() for one in select.expressions}
        for place in self._places(select):
            for unit in units(place):
                unit.replace(halves.merged(self._reach.bare(unit)))
            self._replace_keys(place, keys)
        for place in self._places(select):
            for column in [one for one in own(place) if isinstance(one, exp.Column)]:
                if not column.name.startswith(("_a", "_v", "_w", "_k")) and (
                    column.table or column.name.lower() not in titles
                ):
                    raise Unfit
        source: exp.Expr = exp.to_table(self._name)
        if halves.windows:
            added = [exp.alias_(window, name) for name, window in halves.windows.items()]
            source = exp.select("*", *added).from_(source).subquery()
        source.set("alias", exp.TableAlias(this=self._alias))
        select.set("from_", exp.From(this=source))
        select.set("where", None)
        grouped = [exp.column(f"_k{number}") for number in range(len(keys))]
        select.set("group", exp.Group(expressions=grouped) if grouped else None)
        return select

    def _replace_keys(self, place: exp.Expr, keys: list[exp.Expr]) -> None:
        def key_of(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Query | exp.Alias | exp.Ordered):
                return node
            plain = self._reach.bare(node)
            return next((exp.column(f"_k{n}") for n, key in enumerate(keys) if plain == key), node)

        pending = [place]
        while pending:
            node = pending.pop()
            found = key_of(node)
            if found is not node:
                node.replace(found)
            elif not isinstance(node, exp.Query):
                pending += list(node.iter_expressions())

    def _asked(self, keys: list[exp.Expr], halves: Halves) -> str:
        """The SELECT of the nodes."""
        grouped = {f"_k{number}": key for number, key in enumerate(keys)} | halves.values
        columns = [exp.alias_(one, name) for name, one in (grouped | halves.partial).items()]
        asked = exp.select(*(columns or [exp.alias_(exp.Literal.number(1), "_k")]))
        asked = self._reach.where(asked.from_(exp.to_table(self._reach.name)), conditions(self._select))
        for number in range(len(grouped)):
            asked = asked.group_by(exp.Literal.number(number + 1), copy=False)
        return asked.sql("duckdb")

    def _keys(self) -> list[exp.Expr]:
        """What it groups by, as expressions of the table's columns."""
        select, group = self._select, self._select.args.get("group")
        distinct = select.args.get("distinct")
        if group is None:
            if distinct is None or any(units(one) for one in select.expressions):
                return []
            if distinct.args.get("on"):
                raise Unfit
            found = [one.unalias() for one in select.expressions]
        elif group.args.get("all"):
            found = [one.unalias() for one in select.expressions if not units(one)]
        elif any(value for key, value in group.args.items() if key != "expressions"):
            raise Unfit
        else:
            found = [self._key(one) for one in group.expressions]
        if any(one.find(*_SETS) or units(one) or not self._reach.holds(one) for one in found):
            raise Unfit
        if any(one.find(exp.Column) is None for one in found):
            raise Unfit  # a number may be a place too
        return list(found)

    def _key(self, item: exp.Expr) -> exp.Expr:
        titles = {one.alias.lower(): one.this for one in self._select.expressions if isinstance(one, exp.Alias)}
        if isinstance(item, exp.Literal):
            place = int(item.name) - 1 if item.is_int else -1
            if not 0 <= place < len(self._select.expressions):
                raise Unfit
            found: exp.Expr = self._select.expressions[place].unalias()
            return found
        if isinstance(item, exp.Column) and not item.table and item.name.lower() in titles:
            meant: exp.Expr = titles[item.name.lower()]
            if self._reach.owns(item) and not (
                isinstance(meant, exp.Column) and meant.name.lower() == item.name.lower()
            ):
                raise Unfit  # a column and another expression have this name
            return meant
        return item

    def _places(self, select: exp.Select) -> list[exp.Expr]:
        """Where aggregates and keys may stand."""
        clauses = [select.args.get(key) for key in ("having", "qualify", "order")]
        return [*select.expressions, *(one for one in clauses if one is not None)]

    def _is_closed(self, place: exp.Expr) -> bool:
        """True if no query within it may look at this one's columns."""
        for query in (one for one in own(place) if isinstance(one, exp.Query)):
            inner = [one for one in query.find_all(exp.Table) if one.name.lower() in TABLES]
            known = {name for one in inner for name in TABLES[one.name.lower()]}
            aliases = {one.alias_or_name.lower() for one in query.find_all(exp.Table, exp.Subquery)} | {""}
            for column in query.find_all(exp.Column):
                if column.name.lower() not in known or column.table.lower() not in aliases:
                    return False
        return True


def units(place: exp.Expr) -> list[exp.Expr]:
    """The aggregates in an expression, outermost first; a window's function is none, what it is given may be."""
    found: list[exp.Expr] = []
    pending = [place]
    while pending:
        node = pending.pop()
        if isinstance(node, exp.Query):
            continue
        if is_aggregate(node):
            found.append(node)
            continue
        within: list[exp.Expr] = list(node.iter_expressions())
        if isinstance(node, exp.Window):
            function = node.this
            while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
                function = function.this
            within = [one for one in within if one is not node.this] + list(function.iter_expressions())
        pending += within
    return found


def _title(one: exp.Expr) -> str:
    """What a column without a name is called."""
    if isinstance(one, exp.Column):
        return one.name
    if isinstance(one, exp.Count) and isinstance(one.this, exp.Star):
        return "count_star()"
    return one.sql("duckdb").lower()
