"""What a seal writes: for each day the sorted points, and their rollups beside them. Runs in the thread that seals.

Imports numpy and pyarrow: load it when first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from store.parquet import Job
from store.points import Cut
from store.rollup import BUCKETS, rolled
from store.segment import DAY, Kind, Segment
from store.table import TIME, narrowed, overlapping, series_in, tabulate, tabulate_rows, without

Expired = Callable[[str, Kind], int]
"""The time in microseconds before which points of a series are too old to be sealed."""
_DAYS = 64
"""Days that one seal writes a segment each of. A clock gone wild could name any day: what lies before goes together."""


class Sealed(Struct):
    """What became of the points of a cut."""

    segments: list[Segment]
    repeated: int = 0
    """Points that came before."""
    expired: int = 0
    """Points that came so late that they would go at once."""


def seal_points(job: Job, cut: Cut, node: str, known: Sequence[Segment], expired: Expired) -> Sealed:
    """Points and desired values that no known segment has, as segments. Raises OSError or pa.ArrowException."""
    sealed = Sealed([])
    kinds: tuple[Kind, ...] = ("points", "desired")
    for kind in kinds:
        table = _fresh(tabulate(cut.chunks, cut.series, node, kind), kind, expired, sealed)
        table = without(table, overlapping(table, known, job.directory, kind))
        for day, part in by_day(narrowed(table) if kind == "points" else table):  # wishes are numbered by version
            sealed.segments.append(job.write(part, job.name(kind, day)))
            if kind == "points":
                sealed.segments += _rollups(job, part, day)
    taken = sum(map(len, cut.chunks))
    sealed.repeated = taken - sealed.expired - sum(one.rows for one in sealed.segments if one.kind in kinds)
    return sealed


def seal_results(job: Job, rows: Sequence[tuple[Any, ...]], node: str) -> list[Segment]:
    """Results of inference, as `records.results` gives them, as segments."""
    table = tabulate_rows("results", rows, node).sort_by([("model", "ascending"), ("time", "ascending")])
    return [job.write(part, job.name("results", day)) for day, part in by_day(table)]


def by_day(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day of UTC, in their order, with the day's number; those of the oldest of many days together."""
    days = _micros(table) // DAY
    found = np.unique(days)
    if len(found) > _DAYS:
        days = np.maximum(days, found[-_DAYS])
        found = found[-_DAYS:]
    for day in found.tolist():
        yield day, table if len(found) == 1 else table.filter(pa.array(days == day))


def _rollups(job: Job, points: pa.Table, day: int) -> Iterator[Segment]:
    for kind, bucket in BUCKETS.items():
        table = rolled(points, bucket)
        if len(table):
            yield job.write(table, job.name(kind, day))


def _fresh(table: pa.Table, kind: Kind, expired: Expired, sealed: Sealed) -> pa.Table:
    """The points that are not too old; the others are counted."""
    names, ranks = series_in(table)
    before = np.array([expired("/".join(name), kind) for name in names], np.int64)
    kept = _micros(table) >= before[ranks]
    sealed.expired += len(table) - int(kept.sum())
    return table if kept.all() else table.filter(pa.array(kept))


def _micros(table: pa.Table) -> Any:
    return table.column("time").cast(TIME).cast(pa.int64()).to_numpy()
