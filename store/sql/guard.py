"""Which SQL may run: an allow-list over the syntax tree. Imports sqlglot: load it when first needed.

What passes is written out again from the tree, so DuckDB runs what was looked at and not what was sent. DuckDB's own
walls (no external access, locked configuration, no Python objects) stand behind this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import sqlglot
from msgspec import structs
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from store.schema import TABLES, TWINS_AT
from store.sql.nearest import nearest
from store.sql.planner import rolled
from store.sql.question import Asked, Statement
from store.sql.scope import constant, scope, statement
from twins.errors import Rejected

# It warns of each statement it cannot read, which is refused with a reason all the same: no flood in the log.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_LONGEST = 20_000
_ROUNDS = 3
_MOST_VALUES = 10_000
_MOST_ROWS = 1_000_000
_MOST_PARAMETERS = 1000

_STUMBLES = (ValueError, LookupError, AttributeError, TypeError)
"""What sqlglot raises, beside its own errors, for some of what is no SQL and for paths in JSON that it cannot write."""

_ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)

_CLAUSES = (
    *(exp.Select, exp.SetOperation, exp.Subquery, exp.Values, exp.With, exp.CTE, exp.From, exp.Join, exp.Lateral),
    *(exp.Where, exp.Group, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Having, exp.Qualify, exp.Order, exp.Ordered),
    *(exp.Limit, exp.Offset, exp.Distinct, exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.IgnoreNulls),
    *(exp.RespectNulls, exp.Alias, exp.Aliases, exp.TableAlias, exp.Table, exp.Column, exp.Identifier, exp.Literal),
    *(exp.Star, exp.Tuple, exp.Interval, exp.DataType, exp.DataTypeParam, exp.Null, exp.Boolean, exp.Placeholder),
    *(exp.Parameter, exp.Bracket, exp.Slice, exp.Lambda, exp.Var, exp.JSONPath, exp.JSONPathPart, exp.Binary),
    *(exp.Unary, exp.Between, exp.In, exp.All, exp.Any, exp.AtTimeZone),
)
"""Parts of a query that only shape it. Functions have a list of their own; what is in neither is refused."""

_FUNCTIONS = frozenset(
    """
    any_value approx_count_distinct approx_quantile approx_distinct arg_max arg_min array_agg avg bool_and bool_or
    corr count count_if countif count_star covar_pop covar_samp first group_concat grouping histogram kurtosis last
    list listagg logical_and logical_or mad max max_by median min min_by mode percentile_cont percentile_disc product
    quantile quantile_cont quantile_disc regr_intercept regr_r2 regr_slope skewness stddev stddev_pop stddev_samp
    string_agg sum var_pop var_samp variance variance_pop

    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number

    and case cast coalesce columns exists greatest if ifnull iff is_inf is_nan isfinite isinf isnan least not nullif
    nvl or try_cast typeof xor

    abs acos asin atan atan2 cbrt ceil ceiling cos degrees exp floor hash int_div ln log log10 log2 mod pi pow power
    radians round sign sin sqrt tan trunc

    array_to_string char_length chr concat concat_ws contains ends_with initcap instr left length levenshtein lower
    lpad ltrim md5 pad regexp_extract regexp_full_match regexp_i_like regexp_like regexp_matches regexp_replace repeat
    replace reverse right rpad rtrim split split_part starts_with str_position strip substr substring to_char trim
    upper

    age at_time_zone current_date current_time current_timestamp date date_add date_bin date_diff date_part date_sub
    date_trunc datediff day day_of_month day_of_week day_of_year dayname dayofmonth dayofweek dayofyear epoch epoch_ms
    epoch_ns epoch_us extract hour last_day make_date make_interval make_timestamp make_timestamptz microsecond
    millisecond minute month monthname now quarter second str_to_time strftime strptime time_bucket time_to_str
    time_to_unix timestamp timestamp_diff timestamp_trunc to_days to_hours to_milliseconds to_minutes to_seconds
    to_timestamp today ts_or_ds_to_date unix_to_time week week_of_year year date_from_parts timestamp_from_parts

    array array_contains array_filter array_length array_size array_sum explode filter generate_series
    json_array_length json_extract json_extract_scalar json_extract_string json_keys json_type json_valid len
    list_aggregate list_avg list_contains list_filter list_max list_min list_sort list_sum list_transform list_value
    map_keys map_values range sort_array struct struct_extract struct_pack transform unnest
    """.split()  # noqa: SIM905 - a page of names, not a list of literals
)
"""By DuckDB's name or by sqlglot's. Each computes from its arguments alone: no file, no setting, no catalogue."""

_TABLE_FUNCTIONS = (exp.GenerateSeries, exp.Unnest, exp.Explode)


_SESSION = frozenset(("current_catalog", "current_role", "current_schema", "current_user", "session_user", "user"))

_SIZES = {exp.GenerateSeries: ("start", "end"), exp.Repeat: ("times",), exp.Pad: ("expression",)}
"""What makes large values of small ones, and the arguments that say how large."""


@lru_cache(256)
def guard(text: str) -> Asked:
    """The query, rewritten. Raises Rejected with the reason."""
    with _readable():
        return _guarded(_settled(parsed(text)))


def parsed(text: str) -> exp.Expr:
    """One statement, with its parameters numbered; nothing in it is guarded yet. Raises Rejected."""
    if len(text) > _LONGEST:
        reason = f"the query has {len(text)} characters, {_LONGEST} are allowed"
        raise Rejected(reason, 413)
    with _readable():
        return _parsed(text)


@contextmanager
def _readable() -> Iterator[None]:
    """What sqlglot trips over is a fault of the query."""
    try:
        yield
    except RecursionError:
        reason = "the query is nested too deeply"
        raise Rejected(reason) from None
    except _STUMBLES as error:
        reason = f"the query cannot be read: {error}"
        raise Rejected(reason) from error


def _settled(query: exp.Expr) -> exp.Expr:
    """The query as it reads when it is written out: that is what DuckDB gets, and what has to be looked at.

    Not all that sqlglot writes is quoted as it was read: the name of a type may end a cast, and say anything behind it.
    """
    written = query.sql("duckdb", comments=False)
    for _ in range(_ROUNDS):
        query = _parsed(written)
        again = query.sql("duckdb", comments=False)
        if again == written:
            return query
        written = again
    reason = "the query reads otherwise each time it is written out: put it more plainly"
    raise Rejected(reason)


def _parsed(text: str) -> exp.Expr:
    try:
        statements = [one for one in sqlglot.parse(_numbered(text), read="duckdb") if one is not None]
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        where, line = details[0].get("highlight"), details[0].get("line")
        reason = (
            f"the query cannot be read near {where!r}, line {line}" if where else f"the query cannot be read: {error}"
        )
        raise Rejected(reason) from error
    if len(statements) != 1:
        reason = f"one statement at a time: this is {len(statements)}"
        raise Rejected(reason)
    return statements[0]


def _numbered(text: str) -> str:
    """With `$1` for the first `?` and so on: the order in which they stand is lost when the tree is written out."""
    if "?" not in text:
        return text
    marks = TokenType.PLACEHOLDER, TokenType.QDCOLON
    places = [token.start for token in DuckDB().tokenize(text) if token.token_type in marks]
    if places and "$" in text:
        reason = "parameters are all ?, or all $1, $2 and so on, and $ stands nowhere else beside ?"
        raise Rejected(reason)
    for number, place in reversed([*enumerate(places, 1)]):
        text = f"{text[:place]}${number} {text[place + 1 :]}"  # without the blank `$1,$` would begin a text
    return text


def _guarded(query: exp.Expr) -> Asked:
    if not isinstance(query, _ROOTS):
        reason = f"{query.key.upper()} is not allowed: queries only read (SELECT, WITH, UNION, VALUES)"
        raise Rejected(reason, 403)
    tables: dict[str, list[exp.Table]] = {}
    numbers = {0}
    moments: list[exp.Func] = []
    for node in query.walk():
        if isinstance(node, exp.Table):
            tables.setdefault(_table(node), []).append(node)
        elif isinstance(node, exp.Func) and isinstance(node.parent, exp.Table) and _name(node) == TWINS_AT:
            moments.append(node)
        elif isinstance(node, exp.Func):
            _function(node)
            _size(node)
        elif isinstance(node, exp.DataType):
            _type(node)
        elif isinstance(node, exp.Column):
            _column(node)
        elif isinstance(node, exp.Placeholder):
            numbers.add(_number(node))
        elif not isinstance(node, _CLAUSES):
            reason = f"{node.key.upper()} is not allowed in a query"
            raise Rejected(reason, 403)
        if node.args.get("into") or node.args.get("locks"):
            reason = "SELECT INTO and FOR UPDATE are not allowed: queries only read"
            raise Rejected(reason, 403)
    points = tables.get("points", [])
    times = [_moment(node, number) for number, node in enumerate(moments, 1)]
    asked = Asked(statement(query), frozenset(tables.keys() - {""}), max(numbers), moments=tuple(times))
    if len(points) != 1:
        return asked
    return structs.replace(asked, scope=scope(points[0]), rolled=rolled(query, points[0]))


def _moment(node: exp.Func, number: int) -> Statement:
    """The time of a `twins_at(…)`, which becomes a table of its own, `twins_at_1` and so on."""
    table = node.parent
    if not isinstance(table, exp.Table) or len(node.expressions) != 1 or not constant(node.expressions[0]):
        reason = f"{TWINS_AT}() takes one time, such as {TWINS_AT}('2026-11-21 10:00:00Z')"
        raise Rejected(reason)
    time = statement(node.expressions[0])
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(TWINS_AT)))
    table.set("this", exp.to_identifier(f"{TWINS_AT}_{number}"))
    return time


def _table(node: exp.Table) -> str:
    """The name of one of our tables, or empty for a name the query itself made."""
    if isinstance(node.this, exp.Func):
        if isinstance(node.this, _TABLE_FUNCTIONS):
            return ""
        if _name(node.this) == TWINS_AT and not node.db:
            return TWINS_AT
        reason = f"{_name(node.this)}() is not allowed as a table"
        raise Rejected(reason, 403)
    name = node.name.lower()
    if node.db or node.catalog:
        reason = f"{node.sql('duckdb')}: only plain table names are allowed: {', '.join(TABLES)}"
        raise Rejected(reason, 403)
    if name in _visible(node):
        return ""
    if name not in TABLES:
        reason = f"there is no table {node.name[:80]!r}{nearest(name, list(TABLES))}; there are {', '.join(TABLES)}"
        raise Rejected(reason, 404)
    return name


def _visible(node: exp.Expr) -> set[str]:
    """Names that a WITH around `node` gives it, as DuckDB scopes them: a name of ours must not open a system table."""
    names: set[str] = set()
    below: exp.Expr = node
    while below.parent is not None:
        above = below.parent
        if isinstance(above, exp.With):
            before = above.expressions[: below.index]
            names.update(cte.alias.lower() for cte in (*before, *([below] if above.recursive else [])))
            below = above
            continue
        clause = above.args.get("with_")
        if clause is not None and clause is not below:
            names.update(cte.alias.lower() for cte in clause.expressions)
        below = above
    return names


def _function(node: exp.Func) -> None:
    name = _name(node)
    names = {name} if isinstance(node, exp.Anonymous) else {alias.lower() for alias in node.sql_names()}
    if not names & _FUNCTIONS:
        reason = f"the function {name}() is not allowed{nearest(name, sorted(_FUNCTIONS))}"
        raise Rejected(reason, 403)


def _type(node: exp.DataType) -> None:
    """Types are DuckDB's own; one with a length of its own is no way to a large value either."""
    if node.this == exp.DType.USERDEFINED:  # `is_type` would ask for one of the same name
        reason = f"there is no type {node.sql('duckdb')[:80]}"
        raise Rejected(reason, 403)


def _column(node: exp.Column) -> None:
    """DuckDB takes some names without a table for functions."""
    if not node.table and node.name.lower() in _SESSION:
        reason = f"{node.name} is not allowed"
        raise Rejected(reason, 403)


def _number(node: exp.Placeholder) -> int:
    if not node.name.isascii() or not node.name.isdigit() or not 0 < int(node.name[:5]) <= _MOST_PARAMETERS:
        reason = f"parameters are written ? (or $1, $2 and so on), and there are {_MOST_PARAMETERS} at most"
        raise Rejected(reason)
    return int(node.name)


def _size(node: exp.Func) -> None:
    """A few words must not ask for more than the machine has; as a table a series streams, and may be longer."""
    table = isinstance(node.parent, exp.Table)
    if table and isinstance(node.args.get("step"), exp.Interval):
        return
    most = _MOST_ROWS if table else _MOST_VALUES
    for argument in _SIZES.get(type(node), ()):
        given = node.args.get(argument)
        number = given.this if isinstance(given, exp.Neg) else given
        if not isinstance(number, exp.Literal) or number.is_string or float(number.name) > most:
            reason = f"{_name(node)}() takes a plain number of at most {most} here, not {str(given)[:80]}"
            raise Rejected(reason, 403)


def _name(node: exp.Func) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
