"""PromQL's vectors as SQL: rows of labels, the number `k` of a step and a value `v`.

Selectors and windows are as Prometheus has them: a window is open at its beginning and closed at its end; without a
range the last value counts that is no older than five minutes; a rate is extrapolated to the whole window
(`extrapolatedRate` of Prometheus 3), and a counter that falls has begun anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from twins.errors import Rejected
from twins.exchange import Scalar

LABELS = {"__name__": "property", "namespace": "namespace", "device": "device", "node": "node"}
"""Labels and their columns."""
LOOKBACK = 300_000_000
"""Microseconds for which a value counts that none follows."""
_SERIES = "node, namespace, device, property"

WINDOWS = {
    "avg_over_time": "avg(v)",
    "min_over_time": "min(v)",
    "max_over_time": "max(v)",
    "sum_over_time": "sum(v)",
    "count_over_time": "count(*)",
    "stddev_over_time": "stddev_pop(v)",
    "last_over_time": "arg_max(v, at)",
}
"""Functions of a window that are aggregates of its values."""
RATES = ("rate", "increase", "delta")
AGGREGATES = {
    "sum": "sum(v)",
    "avg": "avg(v)",
    "min": "min(v)",
    "max": "max(v)",
    "count": "count(*)",
    "stddev": "stddev_pop(v)",
    "stdvar": "var_pop(v)",
    "group": "1",
}
_ARITHMETIC = {"+": "+", "-": "-", "*": "*", "/": "/", "%": "%", "^": "^"}
_COMPARISONS = {"==": "=", "!=": "<>", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


class Steps(Struct, frozen=True):
    """The times that are asked about: `count` of them, in microseconds."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        return self.start + (self.count - 1) * self.step


class Matcher(Struct, frozen=True):
    """A condition of a label; `sign` is `=`, `!=`, `=~` or `!~`."""

    label: str
    sign: str
    value: str


class Vector(Struct, frozen=True):
    """`sql` selects the columns of `labels`, `k` and `v`; `parameters` fill its `?`."""

    sql: str
    parameters: tuple[Scalar, ...]
    labels: tuple[str, ...]
    named: bool = True
    """Whether the name of the metric is shown."""


def condition(matchers: Sequence[Matcher]) -> tuple[str, tuple[Scalar, ...]]:
    """As SQL, with its parameters. A label that points do not have is empty, as Prometheus says."""
    return " AND ".join(map(_matches, matchers)) or "true", tuple(one.value for one in matchers)


def instant(matchers: Sequence[Matcher], steps: Steps, offset: int) -> Vector:
    """The last value before each step."""
    samples, parameters = _samples(matchers, steps, offset, LOOKBACK)
    same = " AND ".join(f"q.{column} = s.{column}" for column in _SERIES.split(", "))
    sql = f"""
        WITH s AS ({samples}),
        q AS (SELECT x.*, k.range AS k, {steps.start - offset} + k.range * {steps.step} AS t
              FROM (SELECT DISTINCT {_SERIES} FROM s) x, range({steps.count}) k)
        SELECT q.node, q.namespace, q.device, q.property, q.k, s.v FROM q ASOF JOIN s ON {same} AND q.t >= s.at
        WHERE s.at > q.t - {LOOKBACK}
    """  # noqa: S608 - numbers, and names of ours
    return Vector(sql, parameters, tuple(LABELS))


def window(name: str, matchers: Sequence[Matcher], steps: Steps, offset: int, width: int) -> Vector:
    """A function of all values in the window before each step."""
    samples, parameters = _samples(matchers, steps, offset, width)
    at = f"{steps.start - offset} + k.range * {steps.step}"
    inside = f"s JOIN range({steps.count}) k ON s.at <= {at} AND s.at > {at} - {width}"
    if name in WINDOWS:
        sql = f"WITH s AS ({samples}) SELECT {_SERIES}, k.range AS k, {WINDOWS[name]} AS v FROM {inside} GROUP BY ALL"  # noqa: S608
        return Vector(sql, parameters, tuple(LABELS), name == "last_over_time")
    falls = "CASE WHEN v < before THEN before ELSE 0 END"
    drops = "sum(fall) - arg_min(fall, at)" if name != "delta" else "0"
    sql = f"""
        WITH s AS (SELECT *, {falls} AS fall
                   FROM (SELECT *, lag(v) OVER (PARTITION BY {_SERIES} ORDER BY at) AS before FROM ({samples}))),
        w AS (SELECT {_SERIES}, k.range AS k, min({at}) AS t, count(*) AS n, min(at) AS first_at, max(at) AS last_at,
                     arg_min(v, at) AS first, arg_max(v, at) - arg_min(v, at) + {drops} AS gain
              FROM {inside} GROUP BY ALL HAVING count(*) > 1 AND max(at) > min(at)),
        e AS (SELECT *, (last_at - first_at) / 1e6 AS span, (last_at - first_at) / 1e6 / (n - 1) AS gap,
                     (first_at - t + {width}) / 1e6 AS head, (t - last_at) / 1e6 AS tail FROM w),
        f AS (SELECT *, CASE WHEN head >= gap * 1.1 THEN gap / 2 ELSE head END AS before,
                     CASE WHEN tail >= gap * 1.1 THEN gap / 2 ELSE tail END AS after FROM e)
        SELECT {_SERIES}, k, gain * (span + {_head(name)} + after) / span {_per_second(name, width)} AS v FROM f
    """  # noqa: S608 - numbers, and names of ours
    return Vector(sql, parameters, tuple(LABELS), named=False)


def aggregate(name: str, vector: Vector, labels: Sequence[str]) -> Vector:
    """One value for each step and each combination of `labels`; those that points do not have are left out."""
    kept = tuple(label for label in vector.labels if label in labels)
    columns = "".join(f"{LABELS[label]}, " for label in kept)
    sql = f"SELECT {columns}k, {AGGREGATES[name]} AS v FROM ({vector.sql}) GROUP BY ALL"  # noqa: S608 - ours
    return Vector(sql, vector.parameters, kept, "__name__" in kept)


def combined(vector: Vector, sign: str, number: float, *, turned: bool = False, as_number: bool = False) -> Vector:
    """The vector with a number on its right, or `turned` on its left: arithmetic, or a comparison that filters."""
    columns = "".join(f"{LABELS[label]}, " for label in vector.labels)
    sides = ("?", "v") if turned else ("v", "?")
    source = f"FROM ({vector.sql})"
    if sign in _ARITHMETIC:
        sql = f"SELECT {columns}k, {f' {_ARITHMETIC[sign]} '.join(sides)} AS v {source}"
        # `?` of what is selected stands before those of the source
        return Vector(sql, (number, *vector.parameters), vector.labels, named=False)
    if sign not in _COMPARISONS:
        reason = f"the operator {sign} between a vector and a number is not supported"
        raise Rejected(reason)
    holds = f" {_COMPARISONS[sign]} ".join(sides)
    if as_number:
        sql = f"SELECT {columns}k, CASE WHEN {holds} THEN 1 ELSE 0 END AS v {source}"
        return Vector(sql, (number, *vector.parameters), vector.labels, named=False)
    sql = f"SELECT {columns}k, v {source} WHERE {holds}"
    return Vector(sql, (*vector.parameters, number), vector.labels, vector.named)


def _samples(matchers: Sequence[Matcher], steps: Steps, offset: int, width: int) -> tuple[str, tuple[Scalar, ...]]:
    """All values that some step may look at."""
    wanted, parameters = condition(matchers)
    since, until = steps.start - offset - width, steps.end - offset
    sql = f"""
        SELECT {_SERIES}, epoch_us(time) AS at, value AS v FROM points
        WHERE time > make_timestamptz({since}) AND time <= make_timestamptz({until}) AND value IS NOT NULL AND {wanted}
    """  # noqa: S608 - numbers, and names of ours
    return sql, parameters


def _matches(one: Matcher) -> str:
    side = LABELS.get(one.label, "''")
    match one.sign:
        case "=":
            return f"{side} = ?"
        case "!=":
            return f"{side} <> ?"
        case "=~":
            return f"regexp_full_match({side}, ?)"
        case _:
            return f"NOT regexp_full_match({side}, ?)"


def _head(name: str) -> str:
    """A counter was not below zero: it is not extrapolated to before it was."""
    if name == "delta":
        return "before"
    return "CASE WHEN gain > 0 AND first >= 0 THEN least(before, span * first / gain) ELSE before END"


def _per_second(name: str, width: int) -> str:
    return f"/ {width / 1e6}" if name == "rate" else ""
