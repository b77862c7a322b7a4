"""Tables that come with a question: what other nodes answered. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def offer(cursor: Any, name: str, streams: Sequence[bytes]) -> None:
    """Make all rows of these Arrow IPC streams visible as one table, in the columns of the first.

    Others made the bytes: offsets and lengths within them are checked before anything follows them. Raises
    pa.ArrowException for what is no stream, duckdb.Error where a column is missing.
    """
    parts: list[str] = []
    columns = ""
    for number, stream in enumerate(streams):
        with pa.ipc.open_stream(stream) as reader:
            table = reader.read_all()
        table.validate(full=True)
        columns = columns or ", ".join(map(_quoted, table.column_names))
        cursor.register(f"{name}_{number}", table)
        parts.append(f"SELECT {columns} FROM {name}_{number}")  # noqa: S608 - quoted
    cursor.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
