"""Unsealed points as the process for queries has them: sent once, made a table when a query looks. Imports numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from store.columns import Columns
from store.segment import Segment
from store.sql.question import Known
from store.sql.span import Span
from store.table import tabulate, without
from twins.exchange import DESIRED

Kind = Literal["points", "desired"]
Identity = tuple[int, int, int]
"""Series, time and sequence number."""
_PARTS = ("namespace", "device", "property")
_PREFIX: Mapping[Kind, str] = {"points": "", "desired": DESIRED}


class Memory:
    """The points, as last told; tables of all of a kind are kept until they change.

    A point that a segment has too (it came again) is left out. What was compared once is not compared again.
    """

    def __init__(self, node: str, directory: Path) -> None:
        self._node = node
        self._directory = directory
        self._chunks: list[_Chunk] = []
        self._series: list[str] = []
        self._ids: dict[str, int] = {}
        self._tables: dict[Kind, pa.Table] = {}
        self._key: tuple[int, tuple[Segment, ...]] = (-1, ())

    def give(self, known: Known) -> None:
        """These are the points in memory from now on."""
        self._chunks = [*self._chunks[known.start : known.stop], *map(_Chunk, map(Columns.unpack, known.chunks))]
        self._ids |= {name: key for key, name in enumerate(known.series, len(self._series))}
        self._series += known.series
        self._tables.clear()

    def table(self, kind: Kind, span: Span, version: int, listed: tuple[Segment, ...]) -> pa.Table:
        """Those in the span at least, less those that a listed segment has already."""
        if self._key != (version, listed):
            self._tables.clear()
            self._key = (version, listed)
        if kind in self._tables:
            return self._tables[kind]
        wanted = self._wanted(kind, span.names)
        for segment in listed:
            if segment.kind == kind and span.meets(segment.first, segment.last):
                self._compare(segment, kind, wanted, span)
        table = self._tabulated([chunk.within(wanted, span) for chunk in self._chunks], kind)
        if span.whole:
            self._tables[kind] = table
        return table

    def _tabulated(self, chunks: Sequence[Columns], kind: Kind) -> pa.Table:
        return tabulate([chunk for chunk in chunks if len(chunk)], self._series, self._node, kind)

    def _compare(self, segment: Segment, kind: Kind, wanted: Any, span: Span) -> None:
        """Mark the points of the span that the segment has."""
        both = Span(max(span.since, segment.first), min(span.until, segment.last + 1))
        chunks = [chunk for chunk in self._chunks if segment.name not in chunk.compared]
        parts = [chunk.within(wanted, both) for chunk in chunks]
        if any(map(len, parts)):
            table = self._tabulated(parts, kind)
            left = without(table, [self._directory / segment.name])
            if len(left) < len(table):
                gone = set(self._identities(table, kind)) - set(self._identities(left, kind))
                for chunk in chunks:
                    chunk.gone |= gone
        if span.whole:
            for chunk in chunks:
                chunk.compared.add(segment.name)

    def _identities(self, table: pa.Table, kind: Kind) -> Iterator[Identity]:
        names = zip(*(table.column(part).to_pylist() for part in _PARTS), strict=True)
        moments = table.column("time").cast(pa.int64()).to_pylist()
        for name, at, seq in zip(names, moments, table.column("seq").to_pylist(), strict=True):
            yield self._ids[_PREFIX[kind] + "/".join(name)], at, seq

    def _wanted(self, kind: Kind, names: Mapping[str, frozenset[str]]) -> Any:
        """For each series whether it is looked for."""
        wanted = np.zeros(len(self._series), bool)
        prefix = _PREFIX[kind]
        if "node" in names and self._node not in names["node"]:
            return wanted
        if all(part in names for part in _PARTS):
            found = ("/".join(parts) for parts in product(*(names[part] for part in _PARTS)))
            wanted[[key for name in found if (key := self._ids.get(prefix + name)) is not None]] = True
            return wanted
        asked = [(place, names[part]) for place, part in enumerate(_PARTS) if part in names]
        for key, name in enumerate(self._series):
            if name.startswith(DESIRED) == bool(prefix):
                parts = (*name.removeprefix(prefix).split("/", 2), "", "")
                wanted[key] = all(parts[place] in texts for place, texts in asked)
        return wanted


class _Chunk:
    """Some points, which of them a segment has, and with which segments all of them were compared."""

    __slots__ = ("_columns", "_first", "_last", "compared", "gone")

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._first = min(columns.at, default=0)
        self._last = max(columns.at, default=-1)
        self.gone: set[Identity] = set()
        self.compared: set[str] = set()

    def within(self, wanted: Any, span: Span) -> Columns:
        """The points of the series that are wanted, in the span."""
        if not span.meets(self._first, self._last):
            return Columns()
        chunk = self._columns
        at = np.frombuffer(chunk.at, np.int64)
        kept = wanted[np.frombuffer(chunk.series, np.uint32)] & (at >= span.since) & (at < span.until)
        if self.gone:
            identities = zip(chunk.series, chunk.at, chunk.seq, strict=True)
            kept &= np.fromiter((one not in self.gone for one in identities), bool, len(chunk))
        return chunk if kept.all() else _chosen(chunk, np.flatnonzero(kept))


def _chosen(chunk: Columns, rows: Any) -> Columns:
    columns = Columns()
    for name, kind in (("series", np.uint32), ("at", np.int64), ("seq", np.int64), ("number", np.float64)):
        getattr(columns, name).frombytes(np.frombuffer(getattr(chunk, name), kind)[rows].tobytes())
    if chunk.text:
        columns.text = {new: chunk.text[row] for new, row in enumerate(rows.tolist()) if row in chunk.text}
    return columns
