"""Folders into which other programs put files: each is brought once, and again when it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from twins.errors import Rejected


class Inbox:
    """Files below `folders`, but those whose name begins with a dot or an underscore: they are being written.

    Remembered in memory alone: after a start every file is brought again, which changes nothing.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises `Rejected` for what is no folder."""
        self._folders = folders
        self._seen: dict[Path, tuple[int, int]] = {}
        for folder in folders:
            if not folder.is_dir():
                raise Rejected(f"{folder}: it is no folder; --watch looks into folders")

    def news(self) -> Iterator[Path]:
        """What came or changed since the last look, oldest first."""
        found: dict[Path, tuple[int, int]] = {}
        for folder in self._folders:
            for path in folder.rglob("*"):
                hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
                if hidden or not path.is_file():
                    continue
                about = path.stat()
                found[path] = (about.st_mtime_ns, about.st_size)
        before, self._seen = self._seen, found
        yield from sorted((path for path in found if before.get(path) != found[path]), key=lambda path: found[path])

    def again(self, path: Path) -> None:
        """Take it as news at the next look."""
        self._seen.pop(path, None)
