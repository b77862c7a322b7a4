"""Rows of an answer as Python's values, within the room that an answer may have. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from store.sql.question import Answer, Refused

_MOST = 64 * 1024 * 1024
"""Bytes that an answer may have."""
_CELL = 64
"""Bytes that a value takes as a Python object, beside its own."""


def gathered(columns: tuple[str, ...], batches: Iterable[pa.RecordBatch], limit: int) -> Answer | Refused:
    """The first `limit` rows, fewer where they are large; refused when not even one has room."""
    rows: list[tuple[Any, ...]] = []
    room = _MOST
    for batch in batches:
        fits = _fitting(batch, min(limit - len(rows), len(batch)), room)
        room -= _weight(batch[:fits])
        rows.extend(zip(*(_values(column) for column in batch[:fits].columns), strict=True))
        if fits < len(batch):
            if not rows:
                size = _weight(batch[:1]) >> 20
                return Refused(f"one row takes {size} MiB, an answer may have {_MOST >> 20}", 413)
            return Answer(columns, rows, truncated=True)
    return Answer(columns, rows)


def _fitting(batch: pa.RecordBatch, most: int, room: int) -> int:
    """How many of the first `most` rows weigh no more than `room`."""
    if _weight(batch[:most]) <= room:
        return most
    low, high = 0, most  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _weight(batch[:middle]) <= room else (low, middle)
    return low


def _weight(batch: pa.RecordBatch) -> int:
    """Bytes of the rows as Python objects, nearly, without making them."""
    return int(batch.nbytes) + _CELL * sum(map(_cells, batch.columns))


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


def _values(column: pa.Array) -> list[Any]:
    """Python's values: whole numbers for DuckDB's huge integers (sums) that fit in 64 bits, text for intervals."""
    values = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [_number(value) for value in values]
    if pa.types.is_interval(column.type):
        return [None if value is None else str(value) for value in values]
    return list(values)


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    whole = value == value.to_integral_value() and -(2**63) <= value < 2**63
    return int(value) if whole else float(value)
