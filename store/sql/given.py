"""Tables that come with a question: what other nodes answered. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def offer(cursor: Any, name: str, streams: Sequence[bytes]) -> None:
    """Make all rows of these Arrow IPC streams visible as one table. Raises pa.ArrowException for what is none.

    Others made the bytes: offsets and lengths within them are checked before anything follows them.
    """
    parts = []
    for number, stream in enumerate(streams):
        with pa.ipc.open_stream(stream) as reader:
            table = reader.read_all()
        table.validate(full=True)
        cursor.register(f"{name}_{number}", table)
        parts.append(f"SELECT * FROM {name}_{number}")  # noqa: S608 - names are ours
    cursor.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
