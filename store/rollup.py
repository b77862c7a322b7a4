"""Rollups of points: one row a series and bucket of time. Imports numpy and pyarrow: load it when first needed.

    n, sum, min, max        of the numbers in the bucket, which begins at `time`; texts have no rollup
    first, last             the numbers at `first_at` and `last_at`; of two at one time the lesser is first, the greater
                            last
    m2                      the sum of squared distances from the mean: m2 / (n - 1) is the variance

Parts of a bucket merge to the same row as all its points at once (Chan, Golub, LeVeque 1979: "Updating formulae and a
pairwise algorithm for computing sample variances").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.segment import Kind
from store.table import NAMES, TIME, series_ranks

BUCKETS: dict[Kind, int] = {"1m": 60_000_000, "1h": 3_600_000_000}
"""Microseconds of a bucket."""
_NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time", TIME),
        *((name, _NAME) for name in ("node", *NAMES)),
        ("n", pa.int64()),
        ("sum", pa.float64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("first", pa.float64()),
        ("first_at", TIME),
        ("last", pa.float64()),
        ("last_at", TIME),
        ("m2", pa.float64()),
    ],
)


def rolled(points: pa.Table, bucket: int) -> pa.Table:
    """The rollup of points that are sorted by series and time, each of them once."""
    points = points.filter(pc.is_valid(points.column("value"))).combine_chunks()
    at, value = _micros(points, "time"), points.column("value").to_numpy()
    parts = {"n": np.ones(len(at), np.int64), "m2": np.zeros(len(at)), "first_at": at, "last_at": at}
    parts |= dict.fromkeys(("sum", "min", "max", "first", "last"), value)
    return _reduced(points, series_ranks(points), at // bucket * bucket, parts)


def merged(parts: Sequence[pa.Table], bucket: int) -> pa.Table:
    """One rollup of several of the same or of smaller buckets, none of whose points is in two of them."""
    whole = pa.concat_tables([part.cast(SCHEMA) for part in parts]).unify_dictionaries().combine_chunks()
    time = _micros(whole, "time") // bucket * bucket
    ranks = series_ranks(whole)
    order = np.lexsort((time, ranks))
    whole = whole.take(order)
    columns = {name: whole.column(name).to_numpy() for name in ("n", "sum", "min", "max", "first", "last", "m2")}
    columns |= {name: _micros(whole, name) for name in ("first_at", "last_at")}
    return _reduced(whole, ranks[order], time[order], columns)


def _reduced(rows: pa.Table, ranks: Any, time: Any, part: dict[str, Any]) -> pa.Table:
    """One row for each run of one rank and one time; `rows` tells the names."""
    if not len(time):
        return SCHEMA.empty_table()
    starts = np.flatnonzero(np.concatenate(([True], (ranks[1:] != ranks[:-1]) | (time[1:] != time[:-1]))))
    counts = np.diff(np.append(starts, len(time)))
    with np.errstate(all="ignore"):  # an infinite value has no spread
        n, total = np.add.reduceat(part["n"], starts), np.add.reduceat(part["sum"], starts)
        apart = part["sum"] / part["n"] - np.repeat(total / n, counts)
        m2 = np.add.reduceat(part["m2"] + part["n"] * apart * apart, starts)
    first_at, last_at = np.minimum.reduceat(part["first_at"], starts), np.maximum.reduceat(part["last_at"], starts)
    firsts = np.where(part["first_at"] == np.repeat(first_at, counts), part["first"], np.inf)
    lasts = np.where(part["last_at"] == np.repeat(last_at, counts), part["last"], -np.inf)
    return pa.Table.from_arrays(
        [
            _time(time[starts]),
            *(rows.column(name).take(pa.array(starts)) for name in ("node", *NAMES)),
            pa.array(n),
            pa.array(total),
            pa.array(np.minimum.reduceat(part["min"], starts)),
            pa.array(np.maximum.reduceat(part["max"], starts)),
            pa.array(np.minimum.reduceat(firsts, starts)),
            _time(first_at),
            pa.array(np.maximum.reduceat(lasts, starts)),
            _time(last_at),
            pa.array(m2),
        ],
        schema=SCHEMA,
    )


def _micros(table: pa.Table, name: str) -> Any:
    return table.column(name).cast(TIME).cast(pa.int64()).to_numpy()


def _time(values: Any) -> pa.Array:
    return pa.array(values, pa.int64()).cast(TIME)
