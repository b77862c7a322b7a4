"""Pictures of alerts as sources: which there are, and whose they are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import json

from store.uploads.work import Source

PREFIX = "picture:"
"""What the names of such sources begin with."""


def found(directory: Path) -> list[Source]:
    """All pictures that are complete; their time is when they were kept."""
    if not directory.is_dir():
        return []
    sources = []
    for path in directory.glob("*.jpg"):
        try:
            stat = path.stat()
        except FileNotFoundError:  # the oldest go when there is no room
            continue
        at = stat.st_mtime_ns // 1000
        sources.append(Source(PREFIX + path.stem, "pictures", path, at, at, 1, stat.st_size, path.stem))
    return sources


def camera(connection: sqlite3.Connection, name: str) -> str:
    """The device whose picture it is, as its event says; empty when no event does."""
    key = name.removeprefix(PREFIX)
    query = "SELECT detail FROM events WHERE replace(cause, ':', '-') = ? AND detail LIKE '%\"picture\"%'"
    for (detail,) in connection.execute(query, [key]):
        if device := json.decode(detail, type=dict[str, str]).get("picture"):
            return device
    return ""
