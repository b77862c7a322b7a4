"""What a table of a query knows: which of the columns in an expression are its own. Pure; imports sqlglot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from store.schema import TABLES

_FAR = (exp.Query, exp.Window, exp.Lambda, exp.Unnest, exp.Explode, exp.Star, exp.Columns, exp.CurrentTime)
"""What only makes sense where the whole query is, or is not the same on each node."""


class Reach:
    """One table that stands in FROM or in a join of `select`."""

    def __init__(self, table: exp.Table, select: exp.Select) -> None:
        self.table = table
        self.select = select
        self.name = table.name.lower()
        self.alias = table.alias_or_name
        self.columns = frozenset(TABLES[self.name])
        self._others = [source for source in _sources(select) if source is not table]

    @property
    def alone(self) -> bool:
        """True when nothing else is in FROM, and no name of a column was changed."""
        alias = self.table.args.get("alias")
        return not self._others and not (alias is not None and alias.args.get("columns"))

    def owns(self, column: exp.Column) -> bool:
        """True for a column that can be of no other table."""
        name = column.name.lower()
        if name not in self.columns:
            return False
        if column.table:
            return bool(column.table.lower() == self.alias.lower())
        return all(_lacks(other, name) for other in self._others)

    def holds(self, node: exp.Expr) -> bool:
        """True if a node can work this out from the table's rows alone."""
        if any(not isinstance(one.parent, exp.Count) for one in node.find_all(*_FAR)):
            return False
        if any(_is_moody(one) for one in node.find_all(exp.Anonymous)):
            return False
        return all(self.owns(column) for column in node.find_all(exp.Column))

    def bare(self, node: exp.Expr) -> exp.Expr:
        """A copy whose columns stand without the table's name, in small letters, as the nodes are asked."""
        copy = node.copy()
        for column in list(copy.find_all(exp.Column)):
            if self.owns(column):
                plain = exp.column(column.name.lower())
                if column is copy:
                    return plain
                column.replace(plain)
        return copy

    def where(self, asked: exp.Select, wanted: list[exp.Expr]) -> exp.Select:
        """What a node is asked, with these conditions."""
        return asked.where(*map(self.bare, wanted)) if wanted else asked


def conditions(select: exp.Select) -> list[exp.Expr]:
    """What the WHERE asks, each of which every row meets."""
    where = select.args.get("where")
    if where is None:
        return []
    return list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]


def own(node: exp.Expr) -> Iterator[exp.Expr]:
    """All of an expression but what stands in a query within it."""
    yield from node.walk(prune=lambda one: isinstance(one, exp.Query))


def _sources(select: exp.Select) -> Sequence[exp.Expr]:
    found = select.args.get("from_")
    first = [found.this] if found is not None else []
    joined = [join.this for join in select.args.get("joins") or ()]
    return [*first, *joined, *(select.args.get("laterals") or ())]


def _lacks(source: exp.Expr, name: str) -> bool:
    """True if this source surely has no such column; of what the query made itself nothing is sure."""
    return isinstance(source, exp.Table) and name not in TABLES.get(source.name.lower(), {name})


def _is_moody(function: exp.Anonymous) -> bool:
    """True for what looks at the clock: `age` of one time."""
    return function.name.lower() == "age" and len(function.expressions) == 1
