"""The tables of queries as SQL over files and over what is registered: text alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from store.schema import TABLES
from store.segment import Rollup
from store.sql.span import moment
from twins.instructions import STATE

_UNITS: dict[Rollup, str] = {"1m": "minute", "1h": "hour"}
_SERIES = "node, namespace, device, property"


def view(name: str, parts: Iterable[str]) -> str:
    """A table of one query made of parts that have the same columns."""
    return f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}"


def registered(name: str, given: str) -> str:
    """Rows of the table `name` that are registered as `given`."""
    columns = ", ".join(f"{column}::{kind} AS {column}" for column, kind in TABLES[name].items())
    return f"SELECT {columns} FROM {given}"  # noqa: S608 - names of the schema


def sealed(name: str, paths: Sequence[Path]) -> str:
    """Rows of the table `name` in files, of which there are some."""
    return f"SELECT {', '.join(TABLES[name])} FROM {files(paths)}"  # noqa: S608 - ours


def files(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(map(quoted, paths))}])"


def quoted(path: Path) -> str:
    """A path as SQL writes a text."""
    text = str(path).replace("'", "''")
    return f"'{text}'"


def within(since: int, until: int) -> str:
    """The condition that a time lies from `since` until before `until`, in microseconds."""
    return f"time >= {moment(since)} AND time < {moment(until)}"


def as_rolled(source: str, condition: str) -> str:
    """Points as rows of `rolled`: each stands for itself."""
    return (
        f"SELECT time, {_SERIES}, (value IS NOT NULL)::BIGINT AS _n, 1::BIGINT AS _points, value AS _sum, "  # noqa: S608 - ours
        f"value AS _min, value AS _max, 0::DOUBLE AS _m2 FROM {source} WHERE {condition}"
    )


def of_rollups(paths: Sequence[Path], condition: str) -> str:
    """Rollups as rows of `rolled`."""
    return (
        f"SELECT time, {_SERIES}, n AS _n, n AS _points, sum AS _sum, min AS _min, max AS _max, m2 AS _m2 "  # noqa: S608 - ours
        f"FROM {files(paths)} WHERE {condition}"
    )


def twins(name: str, at: int) -> str:
    """Twins at a time in microseconds, of `{name}_points`, `{name}_desired` and `{name}_booleans`.

    A number was written by its device in a way that is not kept; a desired value that is empty was taken back.
    """
    number = "CASE WHEN b.device IS NULL THEN printf('%.15g', value) ELSE (value <> 0)::VARCHAR END"
    series = "namespace, device, property"
    return f"""
        SELECT {series}, r.value AS reported, nullif(d.value, '') AS desired,
            r.time AS reported_at, CASE WHEN d.value <> '' THEN d.time END AS desired_at
        FROM (SELECT {series}, p.time, coalesce(p.text, {number}) AS value
              FROM ({_newest(f"{name}_points", at)}) p LEFT JOIN {name}_booleans b USING ({series})) r
        FULL JOIN (SELECT {series}, time, text AS value FROM ({_newest(f"{name}_desired", at)})) d
        USING ({series})
        WHERE r.time IS NOT NULL OR d.value <> ''
    """  # noqa: S608 - ours


def _newest(source: str, at: int) -> str:
    """The last point of each property until a time: of several at one time that with the greatest number."""
    series, until = "namespace, device, property", f"time <= {moment(at)} AND property <> '{STATE}'"
    last = f"SELECT {series}, max(time) AS time FROM {source} WHERE {until} GROUP BY ALL"  # noqa: S608 - ours
    rows = f"SELECT {series}, time, {{'v': value, 't': text}} AS said, coalesce(seq, 0) AS seq FROM {source}"  # noqa: S608
    same = f"({rows} WHERE {until}) JOIN ({last}) USING ({series}, time)"
    return (
        f"SELECT {series}, time, said.v AS value, said.t AS text FROM "  # noqa: S608 - ours
        f"(SELECT {series}, time, arg_max(said, seq) AS said FROM {same} GROUP BY ALL)"
    )


def merged(bucket: Rollup, rollups: Sequence[Path], points: Sequence[str]) -> str:
    """One row for each series and bucket, of rollups in files and of sources of points.

    Of two numbers at one time the lesser is first, the greater last.
    """
    parts = [_each_rolled(bucket, source) for source in points]
    if rollups:
        columns = f"time, {_SERIES}, n, sum, min, max, first, first_at, last, last_at, m2"
        parts.append(f"SELECT {columns} FROM {files(rollups)}")  # noqa: S608 - ours
    both = (
        "{'n': a.n + b.n, 's': a.s + b.s, 'q': a.q + b.q + power(b.s / b.n - a.s / a.n, 2) * a.n * b.n / (a.n + b.n)}"
    )
    return f"""
        SELECT time, {_SERIES}, sum(n)::BIGINT AS n, sum(sum) AS sum, min(min) AS min, max(max) AS max,
            arg_min(first, (first_at, first)) AS first, min(first_at) AS first_at,
            arg_max(last, (last_at, last)) AS last, max(last_at) AS last_at,
            list_reduce(list({{'n': n::DOUBLE, 's': sum, 'q': m2}}), LAMBDA a, b : {both}).q AS m2
        FROM ({" UNION ALL ".join(parts)}) GROUP BY ALL
    """  # noqa: S608 - ours


def _each_rolled(bucket: Rollup, source: str) -> str:
    return (
        f"SELECT date_trunc('{_UNITS[bucket]}', time) AS time, {_SERIES}, 1::BIGINT AS n, value AS sum, value AS min, "  # noqa: S608 - ours
        f"value AS max, value AS first, time AS first_at, value AS last, time AS last_at, 0::DOUBLE AS m2 "
        f"FROM {source} WHERE value IS NOT NULL"
    )
