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
MOST_STEPS = 11_000
"""As in Prometheus."""
_SERIES = "node, namespace, device, property"

WINDOWS = {
    "avg_over_time": ("sum(v) AS a, count(*) AS n", "sum(a) / sum(n)"),
    "min_over_time": ("min(v) AS a", "min(a)"),
    "max_over_time": ("max(v) AS a", "max(a)"),
    "sum_over_time": ("sum(v) AS a", "sum(a)"),
    "count_over_time": ("count(*) AS n", "sum(n)"),
}
"""Functions of a window: what is kept of the values between two steps, and how that comes together."""
LAST = "last_over_time"
RATES = ("rate", "increase", "delta")
_RATED = (
    "count(*) AS n, min(at) AS first_at, max(at) AS last_at, arg_min(v, at) AS first, arg_max(v, at) AS last, "
    "sum(fall) AS fallen, arg_min(fall, at) AS first_fall"
)
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


def last(matchers: Sequence[Matcher], steps: Steps, offset: int, width: int = LOOKBACK) -> Vector:
    """The last value in the window before each step."""
    grid = _grid(steps, offset, width)
    samples, parameters = _samples(matchers, steps, offset, width)
    same = " AND ".join(f"q.{column} = p.{column}" for column in _SERIES.split(", "))
    sql = f"""
        WITH p AS (SELECT {_SERIES}, {grid.first_step} AS i, arg_max(v, at) AS v, max(at) AS at
                   FROM ({samples}) GROUP BY ALL),
        q AS (SELECT x.*, k.range AS k FROM (SELECT DISTINCT {_SERIES} FROM p) x, range({steps.count}) k)
        SELECT q.node, q.namespace, q.device, q.property, q.k, p.v FROM q ASOF JOIN p ON {same} AND q.k >= p.i
        WHERE p.at > {grid.opens("q.k")}
    """  # noqa: S608 - numbers, and names of ours
    return Vector(sql, parameters, tuple(LABELS))


def window(name: str, matchers: Sequence[Matcher], steps: Steps, offset: int, width: int) -> Vector:
    """A function of all values in the window before each step."""
    grid = _grid(steps, offset, width)
    samples, parameters = _samples(matchers, steps, offset, width)
    if name in WINDOWS:
        kept, merged = WINDOWS[name]
        sql = f"SELECT {_SERIES}, i + j.range AS k, {merged} AS v FROM {grid.spread(samples, kept)} GROUP BY ALL"  # noqa: S608
        return Vector(sql, parameters, tuple(LABELS), named=False)
    falls = "CASE WHEN v < before THEN before ELSE 0 END" if name != "delta" else "0"
    before = f"SELECT *, lag(v) OVER (PARTITION BY {_SERIES} ORDER BY at) AS before FROM ({samples})"  # noqa: S608 - ours
    fallen = f"SELECT *, {falls} AS fall FROM ({before})"  # noqa: S608 - ours
    sql = f"""
        WITH w AS (SELECT {_SERIES}, i + j.range AS k, sum(n) AS n, min(first_at) AS first_at, max(last_at) AS last_at,
                          arg_min(first, first_at) AS first, arg_max(last, last_at) - arg_min(first, first_at)
                          + sum(fallen) - arg_min(first_fall, first_at) AS gain
                   FROM {grid.spread(fallen, _RATED)} GROUP BY ALL HAVING sum(n) > 1),
        e AS (SELECT *, (last_at - first_at) / 1e6 AS span, (last_at - first_at) / 1e6 / (n - 1) AS gap,
                     (first_at - {grid.opens("k")}) / 1e6 AS head, ({grid.closes("k")} - last_at) / 1e6 AS tail
              FROM w WHERE last_at > first_at),
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


class _Grid(Struct, frozen=True):
    """Steps from `base` on in microseconds, and windows before them, which reach over `reach` steps at most.

    Values between two steps go to the same windows where a window is a number of whole steps (`whole`): then they are
    brought together before they are spread over the windows.
    """

    base: int
    step: int
    count: int
    width: int

    @property
    def reach(self) -> int:
        return -(-self.width // self.step)

    @property
    def whole(self) -> bool:
        return self.width % self.step == 0

    @property
    def first_step(self) -> str:
        """The number of the first step at or after `at`."""
        return f"((at - {self.base - self.reach * self.step - self.step + 1}) // {self.step} - {self.reach})"

    def closes(self, k: str) -> str:
        """The last time of the window of a step."""
        return f"({self.base} + {k} * {self.step})"

    def opens(self, k: str) -> str:
        """The time after which it begins."""
        return f"({self.base - self.width} + {k} * {self.step})"

    def spread(self, samples: str, kept: str) -> str:
        """`kept` of the samples, once for each window that they are in, whose step is `i + j.range`."""
        each = "" if self.whole else ", at AS own"
        inside = "" if self.whole else f" AND own > {self.opens('(i + j.range)')}"
        parts = f"SELECT {_SERIES}, {self.first_step} AS i{each}, {kept} FROM ({samples}) GROUP BY ALL"  # noqa: S608 - ours
        steps = f"i + j.range >= 0 AND i + j.range < {self.count}"
        return f"(({parts}) p JOIN range({self.reach}) j ON {steps}{inside})"


def _grid(steps: Steps, offset: int, width: int) -> _Grid:
    """One step may be of any length."""
    grid = _Grid(steps.start - offset, width if steps.count == 1 else steps.step, steps.count, width)
    if grid.reach > MOST_STEPS:
        reason = f"a window of more than {MOST_STEPS} steps: ask for a greater step"
        raise Rejected(reason)
    return grid


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
