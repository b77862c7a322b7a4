"""Checksums of the rows of `state.db`: SQLite knows whether a page has a form, not whether it holds what was written.

Each row ends in `crc`, the CRC-32 of its other columns. Those that are not summed say nothing that is not elsewhere:
the newest point of each series, and the order of results and decisions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from zlib import crc32

import msgspec

SUMMED: Mapping[str, str] = MappingProxyType(
    {
        "meta": "key, value",
        "twins": "device, body",
        "rules": "key, body",
        "streams": "key, body",
        "timers": "key, due, body",
        "manifests": "kind, name, body",
        "outbox": "key, kind, device, seq, body, cause",
        "events": "id, at, kind, object, severity, message, cause, detail",
        "results": "at, device, model, seq, part, version, label, score, x, y, w, h, track, queue_us, infer_us, cause",
        "decisions": "at, cause, rule, key, input, chosen, before, after, asked, body",
        "seen": "batch, digests",
        "series": "id, name",
        "point_log": "batch, first, last, blob",
        "blobs": "name, digest, at, bytes",
        "segments": "name, kind, first, last, rows, bytes, digest",
        "upload_parts": "upload, source, since, until, token, done",
        "upload_rests": "upload, name, kind, first, last, rows, bytes, digest",
        "upload_wants": "upload, since, until, due, why",
        "upload_sums": "upload, events, objects, rows, bytes, missed, at",
    },
)
"""By table, the columns whose content is summed."""
_MUST = {"boot", "batch", "id", "segment"}


def checksum(*row: Any) -> int:
    """Of a row as SQLite gives it back: no NaN, a float for a column of them."""
    return crc32(_encode(row))


def bad(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows of each table do not say what was written, where there are any. Raises sqlite3.DatabaseError."""
    found = {}
    for table, columns in SUMMED.items():
        rows = connection.execute(f"SELECT {columns}, crc FROM {table}")  # noqa: S608 - names of ours
        count = sum(checksum(*row[:-1]) != row[-1] for row in rows)
        if count:
            found[table] = count
    names = {name for (name,) in connection.execute("SELECT key FROM meta")}
    if not found and not names >= _MUST:
        found["meta"] = len(_MUST - names)
    return found


def note(connection: sqlite3.Connection, key: str, value: Any) -> None:
    """Write a value of `meta`."""
    connection.execute(
        "INSERT OR REPLACE INTO meta (key, value, crc) VALUES (?, ?, ?)", [key, value, checksum(key, value)]
    )


_encode = msgspec.msgpack.Encoder().encode
