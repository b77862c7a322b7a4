"""Rows of segments as they go: no node (the object's name has it), times in microseconds of UTC. Loads pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.schema import TABLES
from store.uploads.manifest import Kind
from store.uploads.selection import Gate
from store.uploads.work import DAY, Span

TIME = pa.timestamp("us", tz="UTC")
BATCH = 65_536
"""Rows in memory at once, but for a series that is thinned."""
_TYPES = {"TIMESTAMPTZ": TIME, "VARCHAR": pa.string(), "DOUBLE": pa.float64(), "BIGINT": pa.int64()}
_NAME = pa.dictionary(pa.int32(), pa.string())
_NAMES: dict[Kind, tuple[str, ...]] = {
    "points": ("namespace", "device", "property"),
    "results": ("namespace", "device"),
}
SCHEMAS: dict[Kind, pa.Schema] = {
    kind: pa.schema(
        [
            (column, _NAME if column in names or column in {"model", "version", "label"} else _TYPES[type_])
            for column, type_ in TABLES[kind].items()
            if column != "node"
        ]
    )
    for kind, names in _NAMES.items()
}
Held = dict[tuple[str, str], int]
"""Rows that a `never` kept here, by its id and the device."""


def rows(file: pq.ParquetFile, kind: Kind, spans: Sequence[Span]) -> Iterator[pa.Table]:
    """The rows of a file whose time is within one of the spans, in their order. Raises OSError or pa.ArrowException."""
    schema = SCHEMAS[kind]
    groups = [number for number in range(file.metadata.num_row_groups) if _may_hold(file, number, spans)]
    for batch in file.iter_batches(BATCH, row_groups=groups, columns=schema.names, use_threads=False):
        table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
        at = micros(table)
        inside = np.zeros(len(at), bool)
        for since, until in spans:
            inside |= (at >= since) & (at <= until)
        if inside.all():
            yield table
        elif inside.any():
            yield table.filter(pa.array(inside))


def days(file: pq.ParquetFile, span: Span) -> list[int]:
    """The days since 1970 in which a row within the span lies."""
    found: set[int] = set()
    for batch in file.iter_batches(BATCH, columns=["time"], use_threads=False):
        at = micros(pa.Table.from_batches([batch]))
        found.update(np.unique(at[(at >= span[0]) & (at <= span[1])] // DAY).tolist())
    return sorted(found)


def let_through(tables: Iterable[pa.Table], kind: Kind, gate: Gate, held: Held) -> Iterator[pa.Table]:
    """The rows that may go; `held` counts those that a `never` keeps."""
    for table in tables:
        codes, words = _coded(table, kind)
        keys, first, inverse, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        passes = np.zeros(len(keys), bool)
        for place, (row, count) in enumerate(zip(first.tolist(), counts.tolist(), strict=True)):
            names = [column[row].as_py() for column in words]
            namespace, device, name = names if kind == "points" else (*names, kind)
            wanted, block = gate.verdict(namespace, device, name)
            passes[place] = wanted and not block
            if block:
                key = block, f"{namespace}/{device}"
                held[key] = held.get(key, 0) + count
        if passes.all():
            yield table
        elif passes.any():
            yield table.filter(pa.array(passes[inverse]))


def by_series(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The points of one series after the other, each series whole; they come sorted by series."""
    waiting: pa.Table | None = None
    for table in tables:
        whole = table if waiting is None else pa.concat_tables([waiting, table]).unify_dictionaries().combine_chunks()
        codes, _ = _coded(whole, "points")
        starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist()]
        for start, end in pairwise(starts):
            yield whole.slice(start, end - start)
        waiting = whole.slice(starts[-1])
    if waiting is not None and len(waiting):
        yield waiting


def beyond(tables: Iterable[pa.Table], kind: Kind, others: Sequence[tuple[Path, Sequence[Span]]]) -> Iterator[pa.Table]:
    """The rows that none of the other files has within its spans."""
    for table in tables:
        at = micros(table)
        span = int(at.min()), int(at.max())
        devices = pc.unique(table.column("device")).cast(pa.string())
        known = [_known(path, kind, spans, span, devices) for path, spans in others]
        fresh = pc.invert(pc.is_in(_whole(table), pa.concat_arrays([pa.array([], pa.string()), *known])))
        yield table.filter(fresh)


def micros(table: pa.Table) -> Any:
    return table.column("time").cast(TIME).cast(pa.int64()).to_numpy()


def _known(path: Path, kind: Kind, spans: Sequence[Span], span: Span, devices: pa.Array) -> pa.Array:
    """Rows of a file, each as one text, that may be among those of these devices and this time."""
    inside = [(max(since, span[0]), min(until, span[1])) for since, until in spans]
    with pq.ParquetFile(path) as file:
        tables = rows(file, kind, [each for each in inside if each[0] <= each[1]])
        theirs = (table.filter(pc.is_in(table.column("device").cast(pa.string()), devices)) for table in tables)
        found = [_whole(table) for table in theirs]
    return pa.concat_arrays([pa.array([], pa.string()), *found])


def _whole(table: pa.Table) -> pa.Array:
    """Each row as one text: columns in one order, with what no value holds between and for none."""
    columns = [
        column.cast(TIME).cast(pa.int64()).cast(pa.string()) if name == "time" else column.cast(pa.string())
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    joined = pc.binary_join_element_wise(*columns, "\x1f", null_handling="replace", null_replacement="\x1e")
    return joined.combine_chunks()


def _may_hold(file: pq.ParquetFile, number: int, spans: Sequence[Span]) -> bool:
    place = file.metadata.schema.names.index("time")
    known = file.metadata.row_group(number).column(place).statistics
    if known is None or not known.has_min_max:
        return True
    scale = 1000 if file.schema_arrow.field("time").type.unit == "ms" else 1
    first, last = known.min_raw * scale, known.max_raw * scale
    return any(first <= until and last >= since for since, until in spans)


def _coded(table: pa.Table, kind: Kind) -> tuple[Any, list[Any]]:
    """A number for each row, equal for rows of one series (one device for results); and the columns of its names."""
    columns = [table.column(name).combine_chunks() for name in _NAMES[kind]]
    codes = np.zeros(len(table), np.int64)
    for column in columns:
        codes = codes * max(1, len(column.dictionary)) + column.indices.to_numpy()
    return codes, columns
