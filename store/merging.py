"""Small segments of a day become one. Which, their list tells; how, streams: no file of points is in memory as a whole.

Runs in the thread that seals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from store import parquet
from store.parquet import Job
from store.segment import ROLLUPS, Kind, Segment, sidecar

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 20
"""Rows of a merged segment, at most."""
_MANY = 8
"""Small segments of a day that is not over are merged when there are so many, or half as many rows as one may have."""
_BUCKET = 4
"""A row of a rollup is as much work as so many points."""
_BATCH = 8192


class Merge(Struct, frozen=True):
    """Segments of one kind and day that become one; `sidecars` are theirs, if they have any."""

    kind: Kind
    day: int
    inputs: tuple[Segment, ...]
    sidecars: tuple[Segment, ...] = ()

    @property
    def gone(self) -> list[str]:
        """The names of all that it takes the place of."""
        return [segment.name for segment in (*self.inputs, *self.sidecars)]

    @property
    def bytes(self) -> int:
        return sum(segment.bytes for segment in (*self.inputs, *self.sidecars))


def due(segments: Sequence[Segment], room: int) -> Merge | None:
    """The next merge to do whose output fits into `room` bytes; neighbours in time go together."""
    known = {segment.name: segment for segment in segments}
    days = [segment for segment in segments if segment.day is not None and not _accompanies(segment, known)]
    newest = {segment.kind: segment.day for segment in sorted(days, key=lambda one: one.last)}
    for (kind, day), group in groupby(sorted(days, key=_order), lambda one: (one.kind, one.day)):
        assert day is not None
        for run in _runs(list(group), known):
            enough = 2 if day != newest[kind] else _MANY
            full = sum(_weight(one, known) for one in run) >= _ROWS // 2
            if len(run) < enough and not (full and len(run) > 1):
                continue
            merge = Merge(kind, day, tuple(run), tuple(s for one in run for s in _sidecars(one, known)))
            if merge.bytes * 1.1 < room:
                return merge
    return None


def merge(job: Job, wanted: Merge) -> list[Segment]:
    """Write what takes the place of the inputs. Raises OSError, ValueError or pa.ArrowException: one cannot be read."""
    name = job.name(wanted.kind, wanted.day)
    inputs = [one.name for one in wanted.inputs]
    if wanted.kind in ROLLUPS:
        return [_rollup(job, wanted.kind, name, inputs, [])]
    out = [(_results if wanted.kind == "results" else _points)(job, name, inputs)]
    there = {one.name for one in wanted.sidecars}
    for kind in ROLLUPS if there else ():
        beside = {one: sidecar(one, kind) for one in inputs if sidecar(one, kind) in there}
        bare = [one for one in inputs if one not in beside]
        out.append(_rollup(job, kind, sidecar(name, kind), list(beside.values()), bare))
    return out


def _points(job: Job, name: str, inputs: Sequence[str]) -> Segment:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from store.table import SCHEMA

    paths = [job.directory / one for one in inputs]
    heads = [next(pq.ParquetFile(path).iter_batches(_BATCH)) for path in paths]
    unit = "ms" if all(head.schema.field("time").type.unit == "ms" for head in heads) else "us"
    schema = SCHEMA.set(0, pa.field("time", pa.timestamp(unit, tz="UTC")))
    sample = pa.concat_tables([pa.Table.from_batches([head]).cast(schema) for head in heads]).unify_dictionaries()
    chosen = parquet.codecs(sample)
    del heads, sample
    with job.writing(name, schema, chosen, inputs) as file:
        for group in _grouped(_merged(paths, schema)):
            file.write_table(group, row_group_size=parquet.ROWS)
    return parquet.inspect(job.directory / name)


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of whole row groups, but for the last."""
    import pyarrow as pa

    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        count = sum(map(len, waiting))
        if count >= parquet.ROWS:
            whole = pa.concat_tables(waiting).unify_dictionaries()
            full = count - count % parquet.ROWS
            yield whole.slice(0, full)
            waiting = [whole.slice(full)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting).unify_dictionaries()


def _merged(inputs: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of sorted files in one order, in pieces: what is not after the first end of what was read of each."""
    import pyarrow as pa

    from store.table import in_order

    runs = [_Run(path, schema) for path in inputs]
    while runs:
        end = min((run.last for run in runs if run.more), default=None)
        piece = pa.concat_tables([run.take(end) for run in runs]).unify_dictionaries().combine_chunks()
        yield in_order(piece)
        runs = [run for run in runs if run.fill()]


class _Run:
    """What is left of one sorted file, of which some rows are in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self._left: int = self._file.metadata.num_rows
        self._batches = self._file.iter_batches(_BATCH)
        self._rows = schema.empty_table()
        self.fill()

    @property
    def more(self) -> bool:
        """True while rows of the file are not in memory yet."""
        return self._left > 0

    @property
    def last(self) -> tuple[Any, ...]:
        return self._key(len(self._rows) - 1)

    def fill(self) -> bool:
        """Have rows in memory; false when there are none left."""
        import pyarrow as pa

        if not len(self._rows) and self._left:
            self._rows = pa.Table.from_batches([next(self._batches)]).cast(self._schema)
            self._left -= len(self._rows)
        return bool(self._rows.num_rows)

    def take(self, end: tuple[Any, ...] | None) -> pa.Table:
        """The rows up to `end`; all without one."""
        low, high = (len(self._rows), len(self._rows)) if end is None else (0, len(self._rows))
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._key(middle) <= (end or ()) else (low, middle)
        taken, self._rows = self._rows.slice(0, low), self._rows.slice(low)
        return taken

    def _key(self, row: int) -> tuple[Any, ...]:
        """What rows are sorted by; of one series and time those without a number come first."""
        namespace, device, name, time, seq = (
            self._rows.column(column)[row] for column in ("namespace", "device", "property", "time", "seq")
        )
        return namespace.as_py(), device.as_py(), name.as_py(), time.value, seq.is_valid, seq.as_py() or 0


def _rollup(job: Job, kind: Kind, name: str, beside: Sequence[str], bare: Sequence[str]) -> Segment:
    """One rollup of several, and of points that have none."""
    import pyarrow.parquet as pq

    from store.rollup import BUCKETS, merged, rolled

    parts = [pq.read_table(job.directory / one, page_checksum_verification=True) for one in beside]
    parts += [rolled(pq.read_table(job.directory / one), BUCKETS[kind]) for one in bare]
    return job.write(merged(parts, BUCKETS[kind]), name, beside)


def _results(job: Job, name: str, inputs: Sequence[str]) -> Segment:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(job.directory / one, page_checksum_verification=True) for one in inputs]
    table = pa.concat_tables(tables, promote_options="permissive")  # times are in milliseconds where they fit
    return job.write(table.sort_by([("model", "ascending"), ("time", "ascending")]), name, inputs)


def _runs(group: Sequence[Segment], known: Mapping[str, Segment]) -> Iterator[list[Segment]]:
    """Small neighbours that together are no more than one segment may be."""
    run: list[Segment] = []
    weight = 0
    for one in group:
        each = _weight(one, known)
        if each * 2 > _ROWS:
            continue
        if weight + each > _ROWS:
            yield run
            run, weight = [], 0
        run.append(one)
        weight += each
    yield run


def _weight(segment: Segment, known: Mapping[str, Segment]) -> int:
    rollups = [one for one in (segment, *_sidecars(segment, known)) if one.kind in ROLLUPS]
    return max(segment.rows, *(_BUCKET * one.rows for one in rollups), 0)


def _sidecars(segment: Segment, known: Mapping[str, Segment]) -> list[Segment]:
    """The rollups of a segment of points that are there."""
    if segment.kind != "points":
        return []
    return [known[name] for kind in ROLLUPS if (name := sidecar(segment.name, kind)) in known]


def _accompanies(segment: Segment, known: Mapping[str, Segment]) -> bool:
    """True for a rollup whose points are there: it is merged with them."""
    return segment.kind in ROLLUPS and sidecar(segment.name, "points") in known


def _order(segment: Segment) -> tuple[str, int, int, str]:
    return segment.kind, segment.day or 0, segment.first, segment.name
