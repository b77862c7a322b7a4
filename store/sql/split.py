"""A query over a group of nodes, taken apart: what each node is asked, and what the coordinator asks of their answers.

Each table of the group is replaced where it stands, by a table of what all nodes answered. Where its SELECT groups or
aggregates, nodes send partial aggregates (see `halves`); else the rows that its WHERE leaves, in the columns that are
used, and with ORDER BY and LIMIT no more than these leave. All else (HAVING, windows, joins, subqueries, the
order of the whole) is worked out once, where the query was asked. Pure: no clock, no I/O; imports sqlglot.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs
from sqlglot import exp, parse_one

from store.schema import TABLES, TWINS_AT
from store.sql.aggregated import Aggregated, Way, units
from store.sql.guard import parsed
from store.sql.halves import Unfit
from store.sql.question import Asked, Scope, Statement
from store.sql.reach import Reach, conditions, own
from store.sql.rights import ALL, check_names, narrowed
from twins.errors import Rejected
from twins.exchange import Scalar

FUNCTION = "group"
_TIED = ("ASOF", "POSITIONAL")
_KEEP_LEFT = ("", "LEFT", "INNER", "CROSS", "SEMI", "ANTI")
_FIRST = {"expressions", "from_", "where", "order", "limit", "offset", "with_"}
"""Clauses of a SELECT that gives a row for each row."""
_MAKERS = (exp.Window, exp.Explode, exp.Unnest)
_STEP = "_part"
_TAKEN = re.compile(r"_(a|k|v|w|part)\d*")


class Part(Struct, frozen=True):
    """What each node of `group` is asked (the nodes that were chosen, for an empty one); `name` is its table then."""

    name: str
    group: str
    table: str
    sql: str
    way: Way


class Split(Struct, frozen=True):
    """The coordinator's query, over its own tables and those that are made of the parts."""

    asked: Asked
    parts: tuple[Part, ...]


class Named(Struct, frozen=True):
    """A query with plain tables, and which of them are of which group: by their place among all tables."""

    sql: str
    groups: Mapping[int, str]


def named(text: str) -> Named:
    """Take `group('site-a')`, which is its points, and `group('site-a', 'events')` out of a query. Raises Rejected."""
    query = parsed(text)
    groups = {}
    for place, table in enumerate(_tables(query)):
        call = table.this
        if isinstance(call, exp.Anonymous) and call.name.lower() == FUNCTION:
            name, kind = _called(call)
            groups[place] = name
            table.set("this", exp.to_identifier(kind))
            if table.args.get("alias") is None:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(kind)))
    return Named(query.sql("duckdb"), groups)


def split(
    asked: Asked,
    groups: Mapping[int, str] | None,
    parameters: Sequence[Scalar],
    now: int,
    rights: Sequence[str] = (ALL,),
) -> Split:
    """Take a query apart that passed the guard. Raises Rejected.

    `groups` as `named` gave them; `None`: each table is of the nodes that were chosen. It is `now` (µs) on all of them.
    Of the coordinator's own tables the query sees what these `rights` allow; nodes narrow their own.
    """
    if asked.parameters != len(parameters):
        raise Rejected(f"the query has {asked.parameters} parameters (?), and {len(parameters)} were given")
    if groups is None and asked.moments:
        raise Rejected(f"{TWINS_AT}() is a node's own: ask each node for it")
    query = parse_one(asked.statement.sql, read="duckdb")
    check_names(query, asked.tables)
    if any(_TAKEN.fullmatch(one.name.lower()) for one in query.find_all(exp.Identifier)):
        raise Rejected("names such as _a0, _k0, _v0, _w0 and _part0 are taken in a query over a group: choose others")
    local = []
    for place, one in enumerate(_tables(query)):
        if isinstance(one.this, exp.Func) or one.name.lower() not in asked.tables:
            continue
        if groups is None or place in groups:
            one.meta[FUNCTION] = "" if groups is None else groups[place]
        else:
            local.append(one)
    names = frozenset(one.name.lower() for one in local) | ({TWINS_AT} & asked.tables)
    if ALL not in rights:
        narrowed(query, names, local, [rights])
    query = _constant(query, parameters, now)
    parts: list[Part] = []
    while (table := _next(query)) is not None:
        query, part = _taken(query, table, f"{_STEP}{len(parts)}")
        parts.append(part)
    if not parts:
        raise Rejected(f"no table of the group is in this query: there are {', '.join(TABLES)}")
    merged = Statement(query.sql("duckdb", comments=False))
    rest = structs.replace(asked, statement=merged, tables=names, scope=Scope(), rolled=None)
    return Split(rest, tuple(parts))


def _tables(query: exp.Expr) -> list[exp.Table]:
    return list(query.find_all(exp.Table))


def _called(call: exp.Anonymous) -> tuple[str, str]:
    words = [one.name if isinstance(one, exp.Literal) and one.is_string else "" for one in call.expressions]
    if not 1 <= len(words) <= 2 or not all(words):
        raise Rejected("group() takes the name of a group, and a table if it is not points: group('site-a', 'events')")
    kind = words[1].lower() if len(words) == 2 else "points"
    if kind not in TABLES:
        raise Rejected(f"group('{words[0]}', '{kind}'): there is no such table; there are {', '.join(TABLES)}", 404)
    return words[0], kind


def _next(query: exp.Expr) -> exp.Table | None:
    return next((table for table in query.find_all(exp.Table) if FUNCTION in table.meta), None)


def _taken(query: exp.Expr, table: exp.Table, name: str) -> tuple[exp.Expr, Part]:
    """The query with the part in place of this table."""
    select = table.find_ancestor(exp.Select)
    if select is None or table.parent is None or table.parent.parent is not select:
        raise Rejected(f"{table.sql('duckdb')} of a group has to stand in the FROM of a SELECT")
    reach = Reach(table, select)
    group = table.meta[FUNCTION]
    try:
        changed, sql, way = Aggregated(reach, name).run()
    except Unfit:
        sql, way = _rows(query, reach)
        alias = table.args.get("alias")
        table.replace(exp.Table(this=exp.to_identifier(name), alias=alias or exp.TableAlias(this=_word(reach.alias))))
        return query, Part(name, group, reach.name, sql, way)
    if select is query:
        query = changed
    else:
        select.replace(changed)
    return query, Part(name, group, reach.name, sql, way)


def _rows(query: exp.Expr, reach: Reach) -> tuple[str, Way]:
    """The rows that the query needs of this table, no more of them than its conditions leave."""
    asked = exp.select(*map(exp.column, _needed(query, reach))).from_(exp.to_table(reach.name))
    if not (reach.table.args.get("alias") and reach.table.args["alias"].args.get("columns")) and _is_preserved(reach):
        asked = reach.where(asked, [one for one in conditions(reach.select) if reach.holds(one)])
    first = _first(reach)
    if first is None:
        return asked.sql("duckdb"), "rows"
    order, limit = first
    asked = asked.order_by(*order) if order else asked  # without keys it would be written all the same
    return asked.limit(limit).sql("duckdb"), "first rows"


def _needed(query: exp.Expr, reach: Reach) -> list[str]:
    """Columns that the query may use; which are surely not of this table is not worth finding out."""
    columns = list(TABLES[reach.name])
    alias = reach.table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return columns
    stars = [star for star in query.find_all(exp.Star, exp.Columns) if not isinstance(star.parent, exp.Count)]
    if any(star.find_ancestor(exp.Select) is reach.select for star in stars):
        return columns
    if any((join.args.get("method") or "").upper() == "NATURAL" for join in query.find_all(exp.Join)):
        return columns
    words = {one.name.lower() for one in query.find_all(exp.Identifier)}
    if reach.alias.lower() in {one.name.lower() for one in query.find_all(exp.Column) if not one.table}:
        return columns  # the row itself
    return [name for name in columns if name in words] or columns[:1]


def _is_preserved(reach: Reach) -> bool:
    """True if WHERE may be applied to this table before it is joined: no row is made up in place of one that goes."""
    joins: Sequence[exp.Join] = reach.select.args.get("joins") or ()
    if not isinstance(reach.table.parent, exp.From):
        mine = reach.table.parent
        if not isinstance(mine, exp.Join) or _kind(mine) not in {"", "INNER", "CROSS"}:
            return False
        joins = [join for join in joins if join is not mine]
        return all(_kind(join) in {"", "INNER", "CROSS", "LEFT"} for join in joins)
    return all(_kind(join) in _KEEP_LEFT or (join.args.get("method") or "").upper() == "ASOF" for join in joins)


def _kind(join: exp.Join) -> str:
    method = (join.args.get("method") or "").upper()
    if method in _TIED:
        return method
    return str(join.args.get("side") or join.args.get("kind") or "").upper()


def _first(reach: Reach) -> tuple[list[exp.Expr], int] | None:
    """ORDER BY and LIMIT that hold for the rows of each node already: each of them is a row of the answer."""
    select = reach.select
    given = {key for key, value in select.args.items() if value}
    if not reach.alone or "limit" not in given or given - _FIRST or not all(map(reach.holds, conditions(select))):
        return None
    if any(units(one) or any(isinstance(node, _MAKERS) for node in own(one)) for one in select.expressions):
        return None
    counts = [select.args[key] for key in ("limit", "offset") if key in given]
    if not all(isinstance(one.expression, exp.Literal) and one.expression.is_int for one in counts):
        return None
    order = [_ordered(one, reach) for one in (select.args["order"].expressions if "order" in given else ())]
    if any(one is None for one in order):
        return None
    return [one for one in order if one is not None], sum(int(one.expression.name) for one in counts)


def _ordered(one: exp.Expr, reach: Reach) -> exp.Expr | None:
    """A key of ORDER BY for the nodes; `None` for one that is more than its own columns."""
    titles = {each.alias.lower(): each.this for each in reach.select.expressions if isinstance(each, exp.Alias)}
    copy = one.copy()
    key = copy.this
    if isinstance(key, exp.Column) and not key.table and key.name.lower() in titles:
        key = titles[key.name.lower()]
    elif any(not column.table and column.name.lower() in titles for column in key.find_all(exp.Column)):
        return None
    if key.find(exp.Column) is None or units(key) or not reach.holds(key):
        return None
    copy.set("this", reach.bare(key))
    return copy


def _constant(query: exp.Expr, parameters: Sequence[Scalar], now: int) -> exp.Expr:
    """With values in place of parameters, and one time for all nodes."""
    moment = datetime.datetime.fromtimestamp(now // 1_000_000, datetime.UTC).replace(microsecond=now % 1_000_000)
    time = parse_one(f"TIMESTAMPTZ '{moment.isoformat(sep=' ')}'", read="duckdb")
    day = parse_one(f"DATE '{moment.date().isoformat()}'", read="duckdb")
    for node in list(query.walk()):
        if isinstance(node, exp.CurrentTimestamp) or (isinstance(node, exp.Anonymous) and node.name.lower() == "now"):
            node.replace(time.copy())
        elif isinstance(node, exp.CurrentDate):
            node.replace(day.copy())
        elif isinstance(node, exp.Placeholder):
            node.replace(_literal(parameters[int(node.name) - 1]))
    return query


def _literal(value: Scalar) -> exp.Expr:
    found = exp.convert(value)
    return exp.cast(found, "DOUBLE") if isinstance(value, float) else found


def _word(name: str) -> exp.Identifier:
    return exp.to_identifier(name)
