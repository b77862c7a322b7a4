"""Files that nobody else may read, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, body: str) -> None:
    """On disk when this returns."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(0o600)
    with part.open("w", encoding="utf-8") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
