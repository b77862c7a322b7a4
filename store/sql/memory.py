"""Unsealed points as the process for queries has them: sent once, made a table when a query looks. Imports numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from store.columns import Columns
from store.segment import Segment
from store.sql.question import Known
from store.sql.span import Span
from store.table import falls_within, tabulate, times, without
from twins.exchange import DESIRED

Kind = Literal["points", "desired"]
_PARTS = ("namespace", "device", "property")


class Memory:
    """The points, as last told; tables of all of a kind are kept until they change."""

    def __init__(self, node: str, directory: Path) -> None:
        self._node = node
        self._directory = directory
        self._chunks: list[Columns] = []
        self._series: list[str] = []
        self._ids: dict[str, int] = {}
        self._tables: dict[Kind, pa.Table] = {}
        self._key: tuple[int, tuple[Segment, ...]] = (-1, ())

    def give(self, known: Known) -> None:
        """These are the points in memory from now on."""
        self._chunks = [*self._chunks[known.start : known.stop], *map(Columns.unpack, known.chunks)]
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
        table = self._made(kind, span, listed)
        if span.whole:
            self._tables[kind] = table
        return table

    def _made(self, kind: Kind, span: Span, listed: Sequence[Segment]) -> pa.Table:
        wanted = self._wanted(kind, span.names)
        chunks = [_within(chunk, wanted, span) for chunk in self._chunks]
        series = [name.removeprefix(DESIRED) for name in self._series] if kind == "desired" else self._series
        table = tabulate([chunk for chunk in chunks if len(chunk)], series, self._node)
        moments = times(table)
        meeting = (one for one in listed if one.kind == kind and falls_within(moments, one.first, one.last))
        return without(table, [self._directory / one.name for one in meeting])

    def _wanted(self, kind: Kind, names: Mapping[str, frozenset[str]]) -> Any:
        """For each series whether it is looked for."""
        wanted = np.zeros(len(self._series), bool)
        prefix = DESIRED if kind == "desired" else ""
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


def _within(chunk: Columns, wanted: Any, span: Span) -> Columns:
    """The points of these series in the span."""
    at = np.frombuffer(chunk.at, np.int64)
    kept = wanted[np.frombuffer(chunk.series, np.uint32)] & (at >= span.since) & (at < span.until)
    if kept.all():
        return chunk
    columns = Columns()
    rows = np.flatnonzero(kept)
    for name, kind in (("series", np.uint32), ("at", np.int64), ("seq", np.int64), ("number", np.float64)):
        getattr(columns, name).frombytes(np.frombuffer(getattr(chunk, name), kind)[rows].tobytes())
    if chunk.text:
        columns.text = {new: chunk.text[row] for new, row in enumerate(rows.tolist()) if row in chunk.text}
    return columns
