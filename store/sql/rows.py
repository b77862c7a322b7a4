"""What a query gave, cut to the room that an answer may have. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from store.sql.question import MOST, Cut, Refused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CELL = 64
"""Bytes that a value takes as a Python object, beside its own."""

Weight = Callable[[pa.RecordBatch], int]


def gathered(batches: Iterable[pa.RecordBatch], limit: int, weight: Weight) -> tuple[list[pa.RecordBatch], Cut]:
    """The first `limit` rows, fewer where they are large. Raises Refused when not even one has room."""
    kept: list[pa.RecordBatch] = []
    rows, room = 0, MOST
    for batch in batches:
        fits = _fitting(batch, min(limit - rows, len(batch)), room, weight)
        room -= weight(batch[:fits])
        rows += fits
        kept.append(batch[:fits])
        if fits < len(batch):
            if not rows:
                raise TooLarge(weight(batch[:1]))
            return kept, "rows" if rows == limit else "bytes"
    return kept, ""


class TooLarge(Exception):
    """One row alone is larger than an answer may be."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.refused = Refused(f"one row takes {size >> 20} MiB, an answer may have {MOST >> 20}", 413)


def as_values(batch: pa.RecordBatch) -> int:
    """Bytes of the rows as Python objects, nearly, without making them."""
    return int(batch.nbytes) + _CELL * sum(map(_cells, batch.columns))


def as_arrow(batch: pa.RecordBatch) -> int:
    """Bytes of the rows as they are."""
    return int(batch.nbytes)


def values(column: pa.Array) -> list[Any]:
    """Python's values: whole numbers for DuckDB's huge integers (sums) that fit in 64 bits, text for intervals."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "us" and column.type.tz:
        return _times(column)
    found = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [_number(value) for value in found]
    if pa.types.is_interval(column.type):
        return [None if value is None else str(value) for value in found]
    return list(found)


def _fitting(batch: pa.RecordBatch, most: int, room: int, weight: Weight) -> int:
    """How many of the first `most` rows weigh no more than `room`."""
    if weight(batch[:most]) <= room:
        return most
    low, high = 0, most  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weight(batch[:middle]) <= room else (low, middle)
    return low


def _cells(column: pa.Array) -> int:
    """Values in a column, those within lists and structs too."""
    kind = column.type
    if pa.types.is_struct(kind):
        return len(column) + sum(map(_cells, column.flatten()))
    if pa.types.is_map(kind):
        offsets = column.offsets
        entries = pc.subtract(offsets[-1], offsets[0]).as_py() if len(column) else 0
        keys, items = (part.slice(offsets[0].as_py(), entries) for part in (column.keys, column.items))
        return len(column) + entries + _cells(keys) + _cells(items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return len(column) + _cells(column.flatten())
    return len(column)


def _times(column: pa.Array) -> list[datetime | None]:
    """Fifteen times as fast as Arrow's own way; all zones are UTC here."""
    found = column.cast(pa.int64()).to_pylist()
    return [None if at is None else _EPOCH + timedelta(microseconds=at) for at in found]


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    whole = value == value.to_integral_value() and -(2**63) <= value < 2**63
    return int(value) if whole else float(value)
