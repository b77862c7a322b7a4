"""Pictures of alerts as sources: which there are, and whose they are. Runs in the journal's thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import json

from store.uploads.work import Source

PREFIX = "picture:"
"""What the names of such sources begin with."""
JPEG = b"\xff\xd8\xff"


def found(connection: sqlite3.Connection, blobs: Path) -> list[Source]:
    """All pictures; their time is when they were kept."""
    rows = connection.execute("SELECT name, digest, at, bytes FROM blobs ORDER BY at, name")
    return [
        Source(PREFIX + name, "pictures", blobs / digest[:2] / digest, at, at, 1, size, digest)
        for name, digest, at, size in rows
    ]


def camera(connection: sqlite3.Connection, name: str) -> str:
    """The device whose picture it is, as its event says; empty when no event does."""
    key = name.removeprefix(PREFIX)
    query = "SELECT detail FROM events WHERE replace(cause, ':', '-') = ? AND detail LIKE '%\"picture\"%'"
    for (detail,) in connection.execute(query, [key]):
        if device := json.decode(detail, type=dict[str, str]).get("picture"):
            return device
    return ""
