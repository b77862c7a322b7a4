"""Parquet objects made of segments, each of one day, in files of our own until they are sent. Loads pyarrow.

All of it is blocking and runs in a thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from store.uploads import rows
from store.uploads.aligning import OnClock
from store.uploads.manifest import Kind
from store.uploads.rows import BATCH, SCHEMAS, TIME, Held
from store.uploads.selection import Gate
from store.uploads.thinning import Thin
from store.uploads.work import DAY, Span


class Form(Struct, frozen=True):
    """What becomes of rows on their way."""

    gate: Gate
    thin: Thin | None = None


class Made(Struct):
    """One object in a file, or none where nothing may go."""

    rows: int = 0
    bytes: int = 0
    held: Held = {}


def days_of(path: Path, span: Span) -> list[int]:
    """The days in which a row of the file lies. Raises OSError or pa.ArrowException."""
    if span[0] // DAY == span[1] // DAY:
        return [span[0] // DAY]
    with pq.ParquetFile(path) as file:
        return rows.days(file, span)


def within(day: int, span: Span) -> Span:
    """The part of a span that lies in a day."""
    return max(span[0], day * DAY), min(span[1], (day + 1) * DAY - 1)


def make(path: Path, kind: Kind, span: Span, form: Form, target: Path) -> Made:
    """Write what of a file goes to `target`. Raises OSError or pa.ArrowException."""
    held: Held = {}
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        tables = rows.let_through(rows.rows(file, kind, [span]), kind, form.gate, held)
        if form.thin is not None and kind == "points":
            tables = _thinned(rows.by_series(tables), form.thin)
        return _written(tables, kind, target, held)


def make_aligned(paths: Sequence[Path], day: int, gate: Gate, clock: OnClock, target: Path) -> Made:
    """Write a day of several files on one clock to `target`. Raises OSError or pa.ArrowException."""
    span = within(day, (-(1 << 62), 1 << 62))
    held: Held = {}
    with ExitStack() as stack:
        files = [stack.enter_context(pq.ParquetFile(path, page_checksum_verification=True)) for path in paths]
        runs = [_runs(rows.let_through(rows.rows(file, "points", [span]), "points", gate, held)) for file in files]
        return _written(_aligned(runs, clock, span), "points", target, held)


def make_rest(
    path: Path, kind: Kind, spans: Sequence[Span], others: Sequence[tuple[Path, Sequence[Span]]], target: Path
) -> Span | None:
    """Write the rows within `spans` that no other file has within its own; their span of time, `None` for none."""
    first, last = 1 << 62, -(1 << 62)

    def noted(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        nonlocal first, last
        for table in tables:
            if len(table):
                at = rows.micros(table)
                first, last = min(first, int(at.min())), max(last, int(at.max()))
                yield table

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        made = _written(noted(rows.beyond(rows.rows(file, kind, spans), kind, others)), kind, target, {})
    return (first, last) if made.rows else None


def day_name(day: int) -> str:
    """A day as people and Hive's readers write it."""
    try:
        return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return str(day)


def _thinned(series: Iterable[pa.Table], thin: Thin) -> Iterator[pa.Table]:
    for each in series:
        value = each.column("value").combine_chunks().fill_null(np.nan).to_numpy(zero_copy_only=False)
        kept = thin(rows.micros(each), value)
        yield each if len(kept) == len(each) else each.take(pa.array(kept))


_Run = tuple[tuple[str, str, str], Any, Any]
"""A series, and times and numbers of it."""


def _runs(tables: Iterable[pa.Table]) -> Iterator[_Run]:
    for each in rows.by_series(tables):
        key = tuple(each.column(name)[0].as_py() for name in ("namespace", "device", "property"))
        value = each.column("value").combine_chunks().fill_null(np.nan).to_numpy(zero_copy_only=False)
        yield key, rows.micros(each), value


def _aligned(runs: Sequence[Iterator[_Run]], clock: OnClock, span: Span) -> Iterator[pa.Table]:
    """Files are sorted by series: what several have of one comes together."""
    for key, same in groupby(heapq.merge(*runs, key=lambda run: run[0]), key=lambda run: run[0]):
        parts = list(same)
        at, value = np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
        order = np.argsort(at, kind="stable")
        ticks, numbers = clock(at[order], value[order], *span)
        if len(ticks):
            names = [pa.array([name] * len(ticks)).dictionary_encode() for name in key]
            columns = [pa.array(ticks).cast(TIME), *names, pa.array(numbers), pa.nulls(len(ticks), pa.string())]
            yield pa.Table.from_arrays(
                [*columns, pa.array(np.zeros(len(ticks), np.int64))], SCHEMAS["points"].names
            ).cast(SCHEMAS["points"])


def _written(tables: Iterable[pa.Table], kind: Kind, target: Path, held: Held) -> Made:
    count = 0
    writer: pq.ParquetWriter | None = None
    try:
        for table in _gathered(tables):
            if writer is None:
                writer = pq.ParquetWriter(target, SCHEMAS[kind], compression="zstd", write_page_checksum=True)
            writer.write_table(table)
            count += len(table)
    finally:
        if writer is not None:
            writer.close()
    return Made(count, target.stat().st_size if count else 0, held)


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about `BATCH`: a table is a row group."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= BATCH:
            yield pa.concat_tables(waiting).unify_dictionaries()
            waiting = []
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting).unify_dictionaries()
