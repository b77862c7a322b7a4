"""A query narrowed to the series that its asker may read: rows of others are not there for it. Pure; imports sqlglot.

A right is a pattern of series, `namespace/device/property`, where `*` stands for any signs and `?` for one. Rows that
are of a device as a whole (results, devices) need a pattern that covers all its properties; what is of no device needs
`*/*/*`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from sqlglot import exp, parse_one

from store.schema import TABLES, TWINS_AT
from store.sql.guard import guard
from twins.errors import Rejected

ALL = "*/*/*"
_NAMES = ("namespace", "device", "property")
_WILD = frozenset("*?")


def restricted(text: str, rights: Sequence[Sequence[str]]) -> str:
    """The query as its asker may have it, all of whose `rights` have to allow a row. Raises Rejected.

    What comes out has to pass the guard again, as everything does.
    """
    asked = guard(text)
    narrow = [patterns for patterns in rights if ALL not in patterns]
    if not narrow:
        return text
    query = parse_one(asked.statement.sql, read="duckdb")
    narrowed(
        query, asked.tables, [one for one in query.find_all(exp.Table) if one.name.lower() in asked.tables], narrow
    )
    return query.sql("duckdb", comments=False)


def narrowed(
    query: exp.Expr, named: frozenset[str], tables: Sequence[exp.Table], rights: Sequence[Sequence[str]]
) -> None:
    """Narrow some `tables` of a query in place, which names these of ours. Raises Rejected."""
    if TWINS_AT in named:
        raise Rejected(f"{TWINS_AT}() is for who may read everything", 403)
    check_names(query, named)
    for table in tables:
        _narrow(table, rights)


def check_names(query: exp.Expr, named: frozenset[str]) -> None:
    """Raises Rejected where a WITH has the name of one of these tables: which of the two is meant would be a guess."""
    for name in named & {cte.alias.lower() for cte in query.find_all(exp.CTE)}:
        raise Rejected(f"WITH {name}: give it another name than a table has")


def allows(rights: Sequence[Sequence[str]], series: str) -> bool:
    """True if all of these rights allow a series."""
    parts = series.split("/", 2)
    return all(any(_matches(parts, pattern) for pattern in patterns) for patterns in rights)


def _matches(parts: Sequence[str], pattern: str) -> bool:
    wanted = pattern.split("/", 2)
    return len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))


def _narrow(table: exp.Table, rights: Sequence[Sequence[str]]) -> None:
    """Leave of a table what is allowed: in the WHERE where it stands alone, so that a plan can use it; else before."""
    columns = [name for name in _NAMES if name in TABLES[table.name.lower()]]
    if not columns:
        raise Rejected(f"{table.name} is for who may read everything", 403)
    select = table.find_ancestor(exp.Select)
    alias = table.args.get("alias")
    alone = select is not None and not any(select.args.get(key) for key in ("joins", "laterals"))
    if alone and isinstance(table.parent, exp.From) and not (alias is not None and alias.args.get("columns")):
        assert select is not None
        select.where(*(_allowed(patterns, columns, table.alias_or_name) for patterns in rights), copy=False)
        return
    inner = exp.select("*").from_(exp.to_table(table.name.lower()))
    inner = inner.where(*(_allowed(patterns, columns, "") for patterns in rights))
    renamed = alias or exp.TableAlias(this=exp.to_identifier(table.name))
    table.replace(exp.Subquery(this=inner, alias=renamed.copy()))


def _allowed(patterns: Sequence[str], columns: Sequence[str], table: str) -> exp.Expr:
    """True for a row that one of the patterns covers."""
    ways = []
    for pattern in patterns:
        wanted = pattern.split("/", 2)
        if any(part != "*" for part in wanted[len(columns) :]):
            continue
        parts = [_fits(exp.column(name, table or None), part) for name, part in zip(columns, wanted, strict=False)]
        ways.append(exp.and_(*[part for part in parts if part is not None]))
    return exp.paren(exp.or_(*ways)) if ways else exp.false()


def _fits(column: exp.Column, part: str) -> exp.Expr | None:
    if part == "*":
        return None
    if _WILD.isdisjoint(part):
        return exp.EQ(this=column, expression=exp.Literal.string(part))
    return exp.Glob(this=column, expression=exp.Literal.string(part))
