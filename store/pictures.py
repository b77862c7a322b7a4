"""Pictures of alerts and people asked for: JPEG files by key, the oldest removed above a quota."""

from __future__ import annotations

import os
import re
from pathlib import Path

from twins.errors import Rejected

_SAFE = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII | re.IGNORECASE)
_JPEG = b"\xff\xd8\xff"


class Pictures:
    """Files `KEY.jpg` in `path`, together at most `quota_bytes`. Blocking: call it in a thread.

    A key is 1 to 128 letters, digits, dots, hyphens and underscores, and begins with a letter or digit.
    """

    def __init__(self, path: Path, quota_bytes: int) -> None:
        self._path = path
        self._quota = quota_bytes

    def put(self, key: str, jpeg: bytes) -> None:
        """Keep a picture; the same key again replaces it. Raises Rejected, OSError."""
        target = self._file(key)
        if not jpeg.startswith(_JPEG):
            reason = f"picture {key}: not a JPEG (it begins with {jpeg[:4].hex()})"
            raise Rejected(reason)
        if len(jpeg) > self._quota:
            reason = f"picture {key}: {len(jpeg)} bytes are more than the whole quota of {self._quota}"
            raise Rejected(reason, 413)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        temporary.write_bytes(jpeg)
        temporary.rename(target)
        self._shrink(target.name)

    def get(self, key: str) -> bytes | None:
        """The picture, or `None` if there is none (any more). Raises Rejected for a bad key."""
        try:
            return self._file(key).read_bytes()
        except FileNotFoundError:
            return None

    def _file(self, key: str) -> Path:
        if not _SAFE.fullmatch(key) or ".." in key:
            reason = f"picture key {key[:80]!r}: use letters, digits, '.', '-' and '_', at most 128"
            raise Rejected(reason)
        return self._path / f"{key}.jpg"

    def _shrink(self, newest: str) -> None:
        """Oldest first, never the one just written."""
        with os.scandir(self._path) as entries:
            files = sorted((entry.stat().st_mtime_ns, entry.name, entry.stat().st_size) for entry in entries)
        total = sum(size for _, _, size in files)
        for _, name, size in files:
            if total <= self._quota:
                return
            if name != newest:
                (self._path / name).unlink(missing_ok=True)
                total -= size
