"""Streaming from the live tap: what a gateway commits, in windows, seconds after they end.

    python tap.py HOST PORT OUT [SECONDS]

The quick way in, and not replayable: what was committed while this was away is in the sealed files alone. OUT is
watched by `gemelo import OUT --watch`. Ends after so many seconds; without, by Ctrl-C.
"""

from __future__ import annotations

import sys

from pyflink.table import DataTypes, Schema, Table
from tables import environment, minutes, run, sink

RETRIES = 60
"""Seconds in which the gateway may be away before the job ends."""


def main(host: str, port: str, target: str, seconds: float = 0.0) -> None:
    tables, streams = environment()
    point = (
        Schema.new_builder()
        .column("f0", DataTypes.STRING())
        .column_by_expression("time", "TO_TIMESTAMP_LTZ(CAST(JSON_VALUE(f0, '$.at') AS BIGINT) / 1000, 3)")
        .column_by_expression("namespace", "JSON_VALUE(f0, '$.namespace')")
        .column_by_expression("device", "JSON_VALUE(f0, '$.device')")
        .column_by_expression("property", "JSON_VALUE(f0, '$.property')")
        .column_by_expression("value", "CAST(JSON_VALUE(f0, '$.value') AS DOUBLE)")
        .watermark("time", "`time` - INTERVAL '2' SECOND")
        .build()
    )
    # Python has no words for Java's socketTextStream, nor for a stream of texts as a table.
    lines = streams._j_stream_execution_environment.socketTextStream(host, int(port), "\n", RETRIES)
    tables.create_temporary_view("points", Table(tables._j_tenv.fromDataStream(lines, point._j_schema), tables))
    sink(tables, target)
    run(tables, minutes("points", "'5' SECOND"), "tap", f"reading {host}:{port}", seconds)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(float, sys.argv[4:5]))
