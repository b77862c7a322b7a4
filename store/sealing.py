"""What a seal writes: for each day the sorted points, and their rollups beside them. Runs in the thread that seals.

Imports numpy and pyarrow: load it when first needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from store import parquet
from store.points import Cut
from store.rollup import BUCKETS, rolled
from store.segment import DAY, Kind, Segment, name_of
from store.steps import Step, unwatched
from store.table import TIME, narrowed, overlapping, tabulate, tabulate_rows, without

_DAYS = 64
"""Days that one seal writes a segment each of. A clock gone wild could name any day: what lies before goes together."""


class Sealing:
    """Writes the segments of one seal into `directory`; `number` tells them from those of all others."""

    def __init__(self, directory: Path, journal: str, node: str, number: int, step: Step = unwatched) -> None:
        self._directory = directory
        self._journal = journal
        self._node = node
        self._number = number
        self._step = step

    def points(self, cut: Cut, known: Sequence[Segment]) -> list[Segment]:
        """Of points and of desired values, each that no known segment has. Raises OSError or pa.ArrowException."""
        kinds: tuple[Kind, ...] = ("points", "desired")
        return [segment for kind in kinds for segment in self._points(cut, kind, known)]

    def results(self, rows: Sequence[tuple[Any, ...]]) -> list[Segment]:
        """Of results of inference, as `records.results` gives them."""
        table = tabulate_rows("results", rows, self._node).sort_by([("model", "ascending"), ("time", "ascending")])
        return [self._written(part, "results", day) for day, part in by_day(table)]

    def _points(self, cut: Cut, kind: Kind, known: Sequence[Segment]) -> Iterator[Segment]:
        table = tabulate(cut.chunks, cut.series, self._node, kind)
        if not len(table):
            return
        table = without(table, overlapping(table, known, self._directory, kind))
        table = narrowed(table) if kind == "points" else table  # what is desired is numbered by its version
        for day, part in by_day(table):
            yield self._written(part, kind, day)
            if kind == "points":
                yield from self._rollups(part, day)

    def _rollups(self, points: pa.Table, day: int) -> Iterator[Segment]:
        for kind, bucket in BUCKETS.items():
            table = rolled(points, bucket)
            if len(table):
                yield self._written(table, kind, day)

    def _written(self, table: pa.Table, kind: Kind, day: int) -> Segment:
        path = self._directory / name_of(self._journal, kind, day, self._number)
        return parquet.write(table, path, step=self._step)


def by_day(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day of UTC, in their order, with the day's number; those of the oldest of many days together."""
    days = table.column("time").cast(TIME).cast(pa.int64()).to_numpy() // DAY
    found = np.unique(days)
    if len(found) > _DAYS:
        days = np.maximum(days, found[-_DAYS])
        found = found[-_DAYS:]
    for day in found.tolist():
        yield day, table if len(found) == 1 else table.filter(pa.array(days == day))
