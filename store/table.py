"""Points as an Arrow table in the form segments and SQL share. Imports numpy and pyarrow: load it when first needed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.columns import Columns
from store.schema import TABLES
from store.segment import Segment

logger = logging.getLogger(__name__)

TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "TIMESTAMPTZ": TIME,
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
}
_NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time", TIME),
        ("node", _NAME),
        ("namespace", _NAME),
        ("device", _NAME),
        ("property", _NAME),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("seq", pa.int64()),
    ],
)
_IDENTITY = ("namespace", "device", "property", "time", "seq")


def tabulate(chunks: Sequence[Columns], series: Sequence[str], node: str) -> pa.Table:
    """The points of `chunks`, sorted by (series, time, seq); of several with one identity the first that came."""
    whole = Columns()
    for chunk in chunks:
        whole.extend(chunk)
    keys, codes = np.unique(np.frombuffer(whole.series, np.uint32), return_inverse=True)
    names = [_split(series[key]) for key in keys]
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    at, seq = np.frombuffer(whole.at, np.int64), np.frombuffer(whole.seq, np.int64)
    order = _sorted_unique(rank[codes], at, seq)
    number = np.frombuffer(whole.number, np.float64)[order]
    text: list[str | None] = [None] * len(whole)
    for index, value in whole.text.items():
        text[index] = value
    codes = codes[order]
    parts = list(zip(*names, strict=True)) or [(), (), ()]
    columns = [
        pa.array(at[order], pa.int64()).cast(TIME),
        _coded(np.zeros(len(order), np.int32), [node]),
        *(_coded(codes, part) for part in parts),
        pa.array(number, mask=np.isnan(number)),
        pa.array([text[index] for index in order], pa.string()) if whole.text else pa.nulls(len(order), pa.string()),
        pa.array(seq[order]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def tabulate_rows(name: str, rows: Sequence[tuple[Any, ...]], node: str) -> pa.Table:
    """Rows of a table of the schema, with microseconds for times, one device id for `namespace` and `device`.

    They come without `node`, except those of the table `nodes`.
    """
    given = list(zip(*rows, strict=True))
    columns: dict[str, pa.Array] = {}
    place = 0
    for column, kind in TABLES[name].items():
        if column == "node" and name != "nodes":
            columns[column] = pa.array([node] * len(rows), pa.string())
            continue
        values = given[place] if given else ()
        if column == "namespace":
            columns[column] = pa.array([value.partition("/")[0] for value in values], pa.string())
            continue
        if column == "device":
            values = tuple(value.partition("/")[2] for value in values)
        array = pa.array(values, pa.int64() if kind == "TIMESTAMPTZ" else _TYPES[kind])
        columns[column] = array.cast(TIME) if kind == "TIMESTAMPTZ" else array
        place += 1
    return pa.table(columns)


def times(table: pa.Table) -> Any:
    """Microseconds of all rows, sorted."""
    return np.sort(table.column("time").cast(pa.int64()).to_numpy())


def falls_within(sorted_times: Any, first: int, last: int) -> bool:
    """True if some time lies in first..last."""
    return bool(np.searchsorted(sorted_times, first, "left") < np.searchsorted(sorted_times, last, "right"))


def overlapping(table: pa.Table, among: Sequence[Segment], directory: Path) -> list[Path]:
    """The files in whose span of time some row of `table` lies: only they can hold the same points."""
    moments = times(table)
    points = (segment for segment in among if segment.kind == "points")
    return [directory / one.name for one in points if falls_within(moments, one.first, one.last)]


def sound(path: Path) -> bool:
    """True if the whole file can be read and its pages are as they were written."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches(8192):
                pass
    except (OSError, pa.ArrowException, ValueError):
        return False
    return True


def without(table: pa.Table, paths: Sequence[Path]) -> pa.Table:
    """`table` less the points that the segments at `paths` have already."""
    if not paths or not len(table):
        return table
    ours = pa.table({name: _plain(table.column(name)) for name in _IDENTITY}).append_column(
        "row", pa.array(np.arange(len(table)))
    )
    moments = times(table)
    window = [("time", ">=", _moment(moments[0])), ("time", "<=", _moment(moments[-1]))]
    for path in paths:
        try:
            theirs = pq.read_table(path, columns=list(_IDENTITY), filters=window)
        except (OSError, pa.ArrowException):
            logger.warning("segment %s cannot be read: repeats of its points are not recognised", path, exc_info=True)
            continue
        theirs = pa.table({name: _plain(theirs.column(name)) for name in _IDENTITY})
        ours = ours.join(theirs, list(_IDENTITY), join_type="left anti")
    return table if len(ours) == len(table) else table.take(np.sort(ours.column("row").to_numpy()))


def _sorted_unique(rank: Any, at: Any, seq: Any) -> Any:
    order = np.lexsort((seq, at, rank))  # stable: equal identities stay in order of arrival
    if not len(order):
        return order
    differs = np.ones(len(order), bool)
    same = np.ones(len(order) - 1, bool)
    for column in (rank, at, seq):
        placed = column[order]
        same &= placed[1:] == placed[:-1]
    differs[1:] = ~same
    return order[differs]


def _split(series: str) -> tuple[str, str, str]:
    """`namespace/device/property`; only the property may hold a slash."""
    namespace, _, rest = series.partition("/")
    device, _, name = rest.partition("/")
    return namespace, device, name


def _coded(codes: Any, names: Sequence[str]) -> pa.DictionaryArray:
    """A dictionary column; equal names share a code."""
    distinct = dict.fromkeys(names)
    place = {name: index for index, name in enumerate(distinct)}
    translate = np.array([place[name] for name in names] or [0], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(translate[codes], pa.int32()), pa.array(list(distinct), pa.string()))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _moment(microseconds: int) -> pa.Scalar:
    return pa.scalar(int(microseconds), pa.int64()).cast(TIME)
