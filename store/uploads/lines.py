"""Objects as lines of JSON, for programs that read no Parquet. Loads pyarrow. Blocking: it runs in a thread.

{"time":"2026-11-21T10:00:00.250000Z","node":"edge-1","namespace":"default","device":"press-1",
 "property":"temperature","value":21.5,"text":null,"seq":-81985529216486896}
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_BATCH = 8192
_encode = msgspec.json.Encoder().encode_lines


def rewrite(path: Path, node: str) -> int:
    """Write an object in the order of time, a row a line, in place of its Parquet; its bytes. The rows are in memory.

    Whoever reads as it comes, with a watermark, drops a row that is behind: so it is time that orders them.
    """
    table = pq.read_table(path).sort_by("time")
    names = pa.array([node] * len(table), pa.string())
    said = pc.strftime(table.column("time"), "%Y-%m-%dT%H:%M:%SZ")  # with microseconds: %S has the fraction
    table = table.set_column(0, "time", said).add_column(1, "node", names)
    with path.open("wb") as file:
        for batch in table.to_batches(_BATCH):
            file.write(_encode(batch.to_pylist()))
        return file.tell()
