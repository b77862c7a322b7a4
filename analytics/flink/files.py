"""Streaming over sealed files: Flink watches the folder that an `Upload` with `format: jsonl` fills.

    python files.py UPLOADED/points OUT [SECONDS [LATENESS]]

The replayable way in: files stay, checkpoints say which were read. OUT is watched by `gemelo import OUT --watch`.
Ends after SECONDS; without, by Ctrl-C.

Flink reads files that are there already in no order of time, and a row behind the watermark is dropped. LATENESS
(minutes, an hour unless said) is how far a file may be behind another: windows come so much later.
"""

from __future__ import annotations

import sys

from tables import COLUMNS, environment, minutes, run, sink


def main(source: str, target: str, seconds: float = 0.0, lateness: float = 60.0) -> None:
    tables, _ = environment()
    behind = f"'{int(lateness) // 60}:{int(lateness) % 60:02}' HOUR TO MINUTE"
    tables.execute_sql(f"""
        CREATE TABLE points ({COLUMNS.format(lateness=behind)}) WITH (
          'connector' = 'filesystem', 'path' = 'file://{source}', 'format' = 'json',
          'json.timestamp-format.standard' = 'ISO-8601', 'source.monitor-interval' = '1 s'
        )""")
    sink(tables, target)
    run(tables, minutes("points", "'1' MINUTE"), "files", f"watching {source}", seconds)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(float, sys.argv[3:5]))
