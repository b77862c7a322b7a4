"""Points as an Arrow table in the form segments and SQL share. Imports numpy and pyarrow: load it when first needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.columns import Columns
from store.schema import TABLES
from store.segment import Kind, Segment
from twins.exchange import DESIRED

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
NAMES = ("namespace", "device", "property")
"""The columns that together name a series."""
_FEW = 8
_DIGEST = 1 << 31
"""Sequence numbers from here on are digests of messages."""


def tabulate(chunks: Sequence[Columns], series: Sequence[str], node: str, kind: Kind = "points") -> pa.Table:
    """The points of `chunks`, sorted by (series, time, seq); of several with one identity the first that came.

    Only those of one kind: the history of desired values is no part of `points`.
    """
    whole = Columns()
    for chunk in chunks:
        whole.extend(chunk)
    codes = np.frombuffer(whole.series, np.uint32).astype(np.int64)
    there = np.flatnonzero(np.bincount(codes)).tolist()
    names = {key: _split(series[key], kind) for key in there if (kind == "desired") == series[key].startswith(DESIRED)}
    keys = sorted(names, key=names.__getitem__)
    rank = np.full(max(there, default=0) + 1, -1)
    rank[keys] = np.arange(len(keys))
    rows = np.flatnonzero(rank[codes] >= 0)
    ranks = rank[codes[rows]]
    at, seq = np.frombuffer(whole.at, np.int64)[rows], np.frombuffer(whole.seq, np.int64)[rows]
    order = _sorted_unique(ranks, at, seq)
    rows, ranks, at, seq = rows[order], ranks[order], at[order], seq[order]
    number = np.frombuffer(whole.number, np.float64)[rows]
    parts = list(zip(*(names[key] for key in keys), strict=True)) or [(), (), ()]
    columns = [
        pa.array(at, pa.int64()).cast(TIME),
        _coded(np.zeros(len(rows), np.int32), [node]),
        *(_coded(ranks, part) for part in parts),
        pa.array(number, mask=np.isnan(number)),
        _texts(whole.text, rows),
        pa.array(seq),
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
    return np.sort(_micros(table))


def falls_within(sorted_times: Any, first: int, last: int) -> bool:
    """True if some time lies in first..last."""
    return bool(np.searchsorted(sorted_times, first, "left") < np.searchsorted(sorted_times, last, "right"))


def overlapping(table: pa.Table, among: Sequence[Segment], directory: Path, kind: Kind = "points") -> list[Path]:
    """The files in whose span of time some row of `table` lies: only they can hold the same points."""
    moments = times(table)
    points = (segment for segment in among if segment.kind == kind)
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


def numberless(path: Path) -> bool:
    """True unless the file's footer says that no row lacks a number. Raises OSError or pa.ArrowException."""
    data = pq.read_metadata(path)
    place = data.schema.names.index("value")
    spans = (data.row_group(group).column(place).statistics for group in range(data.num_row_groups))
    return any(span is None or not span.has_null_count or span.null_count for span in spans)


def without(table: pa.Table, paths: Sequence[Path]) -> pa.Table:
    """`table` less the points that the segments at `paths` have already."""
    if not paths or not len(table):
        return table
    ours = _comparable(table).append_column("row", pa.array(np.arange(len(table))))
    window = _window(table)
    known: list[Any] = []
    for path in paths:
        try:
            theirs = pq.read_table(path, columns=list(_COMPARED), filters=window)
        except (OSError, pa.ArrowException):
            logger.warning("segment %s cannot be read: repeats of its points are not recognised", path, exc_info=True)
            continue
        if not len(theirs):
            continue
        numbered = pc.is_valid(theirs.column("seq"))
        for those, by in ((numbered, _NUMBERED), (pc.invert(numbered), _TOLD)):
            found = ours.join(_comparable(theirs.filter(those)).select(by), by, join_type="left semi")
            known.append(found.column("row").to_numpy())
    gone = np.unique(np.concatenate(known)) if known else ()
    if not len(gone):
        return table
    kept = np.ones(len(table), bool)
    kept[gone] = False
    return table.filter(pa.array(kept))


def _window(table: pa.Table) -> list[tuple[str, str, Any]]:
    """What rows of a file can be the same as some of `table`: by time, and where there are few, by device."""
    moments = times(table)
    found: list[tuple[str, str, Any]] = [("time", ">=", _moment(moments[0])), ("time", "<=", _moment(moments[-1]))]
    devices = pc.unique(table.column("device")).to_pylist()
    return [*found, ("device", "in", devices)] if len(devices) <= _FEW else found


def narrowed(table: pa.Table) -> pa.Table:
    """`table`, sorted, with no digest where no other point has the same series and time: eight bytes of noise a row.

    Such a point is known again by its series, time and value.
    """
    at, seq, ranks = _micros(table), table.column("seq").to_numpy(), series_ranks(table)
    alone = np.ones(len(table) + 1, bool)
    alone[1:-1] = (at[1:] != at[:-1]) | (ranks[1:] != ranks[:-1])
    digest = alone[1:] & alone[:-1] & ((seq >= _DIGEST) | (seq < -_DIGEST))
    place = table.schema.get_field_index("seq")
    return table.set_column(place, table.schema.field(place), pa.array(seq, mask=digest))


def in_order(table: pa.Table) -> pa.Table:
    """`table` sorted by (series, time, seq)."""
    seq = table.column("seq").combine_chunks()
    keys = (seq.fill_null(0).to_numpy(), seq.is_valid().to_numpy(zero_copy_only=False), _micros(table))
    return table.take(np.lexsort((*keys, series_ranks(table))))


def series_ranks(table: pa.Table) -> Any:
    """The place of each row's series among all series of `table` in order of their names."""
    return series_in(table)[1]


def series_in(table: pa.Table) -> tuple[list[tuple[str, str, str]], Any]:
    """The names of all series of `table` in order, and for each row the place of its own."""
    if not len(table):
        return [], np.empty(0, np.int64)
    columns = [table.column(name).combine_chunks() for name in NAMES]
    columns = [column if pa.types.is_dictionary(column.type) else column.dictionary_encode() for column in columns]
    codes = np.zeros(len(table), np.int64)
    for column in columns:
        codes = codes * max(1, len(column.dictionary)) + column.indices.to_numpy()
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    keys, found = np.unique(codes[starts], return_index=True)
    words = list(zip(*(_words(column, starts[found]) for column in columns), strict=True))
    order = sorted(range(len(keys)), key=words.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    runs = rank[np.searchsorted(keys, codes[starts])]
    return [words[place] for place in order], np.repeat(runs, np.diff(np.append(starts, len(codes))))


def of_series(table: pa.Table, wanted: Callable[[str], bool]) -> pa.Array:
    """For each row whether its series is wanted."""
    names, ranks = series_in(table)
    return pa.array(np.array([wanted("/".join(name)) for name in names], bool)[ranks])


_NUMBERED = [*NAMES, "time", "seq"]
_TOLD = [*NAMES, "time", "number", "text"]
_COMPARED = (*NAMES, "time", "seq", "value", "text")


def _comparable(table: pa.Table) -> pa.Table:
    """The columns that tell points apart, in a form in which equal ones join: no dictionary, no null."""
    number = table.column("value").combine_chunks().fill_null(np.nan)
    return pa.table(
        {name: _plain(table.column(name)) for name in NAMES}
        | {
            "time": table.column("time").cast(TIME),
            "seq": table.column("seq").fill_null(0),
            "number": pa.array(number.to_numpy().view(np.int64)),
            "text": pc.fill_null(pc.binary_join_element_wise("=", table.column("text"), ""), ""),
        }
    )


def _micros(table: pa.Table) -> Any:
    return table.column("time").cast(TIME).cast(pa.int64()).to_numpy()


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


def _texts(text: Mapping[int, str], rows: Any) -> pa.Array:
    """The texts of these rows; most have none."""
    if not text:
        return pa.nulls(len(rows), pa.string())
    return pa.array([text.get(row) for row in rows.tolist()], pa.string())


def _split(series: str, kind: Kind) -> tuple[str, str, str]:
    """`namespace/device/property`; only the property may hold a slash."""
    namespace, _, rest = series.removeprefix(DESIRED if kind == "desired" else "").partition("/")
    device, _, name = rest.partition("/")
    return namespace, device, name


def _coded(codes: Any, names: Sequence[str]) -> pa.DictionaryArray:
    """A dictionary column; equal names share a code."""
    distinct = dict.fromkeys(names)
    place = {name: index for index, name in enumerate(distinct)}
    translate = np.array([place[name] for name in names] or [0], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(translate[codes], pa.int32()), pa.array(list(distinct), pa.string()))


def _words(column: pa.DictionaryArray, rows: Any) -> list[str]:
    """The names in these rows, each made once: Arrow makes texts one by one, and lets no other thread run meanwhile."""
    names = column.dictionary.to_pylist()
    return [names[place] for place in column.indices.to_numpy()[rows].tolist()]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _moment(microseconds: int) -> pa.Scalar:
    return pa.scalar(int(microseconds), pa.int64()).cast(TIME)
