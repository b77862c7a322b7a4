"""The forms of an answer: rows for the gateway itself, or bytes for whoever asked. Imports pyarrow."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from store.sql.question import Form
from store.sql.rows import values


def rows(batches: Sequence[pa.RecordBatch]) -> list[tuple[Any, ...]]:
    """Python's rows."""
    return [row for batch in batches for row in zip(*map(values, batch.columns), strict=True)]


def encoded(form: Form, schema: pa.Schema, batches: Sequence[pa.RecordBatch], told: Mapping[str, str] = {}) -> bytes:
    """An Arrow IPC stream, CSV with its head, or for JSON an array with an array for each row.

    What is `told` of the answer is metadata of the stream's schema.
    """
    if form == "json":
        return msgspec.json.encode(rows(batches))
    table = _plain(pa.Table.from_batches(batches, schema))
    sink = io.BytesIO()
    if form == "arrow":
        table = table.replace_schema_metadata(told or None)
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    else:
        pyarrow.csv.write_csv(_flat(table), sink)
    return sink.getvalue()


def _plain(table: pa.Table) -> pa.Table:
    """DuckDB's huge integers (sums) as numbers that every program reads: 64 bits, doubles where those are too few."""
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            try:
                column = pc.cast(table.column(index), pa.int64())
            except pa.ArrowInvalid:
                column = pc.cast(table.column(index), pa.float64())
            table = table.set_column(index, field.name, column)
    return table


def _flat(table: pa.Table) -> pa.Table:
    """Lists, structs and what else CSV has no cell for, as JSON."""
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) or pa.types.is_interval(field.type) or pa.types.is_binary(field.type):
            cells = [
                None if value is None else _text(value)
                for chunk in table.column(index).chunks
                for value in values(chunk)
            ]
            table = table.set_column(index, field.name, pa.array(cells, pa.string()))
    return table


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
