"""How much more may be written: under the ceilings of the configuration, and with some of the disk left to others."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

FOLDER = "blobs"
"""Where blobs lie within the store."""
_SPARE = 1 << 30
"""Bytes of the disk that are left free, but no more than a twentieth of it."""
LOG = 16 << 20
"""Bytes that `state.db` may grow by between two seals, but no more than an eighth of the whole store's ceiling."""


class Space:
    """The store's folder `path`: at most `points` bytes of segments, at most `total` of everything (0: no such limit).

    Of that `blobs` bytes are theirs, whether they take them or not. Blocking: asked in a thread.
    """

    def __init__(self, path: Path, points: int, total: int = 0, blobs: int = 0) -> None:
        self._path = path
        self._points = points
        self._total = total
        self._blobs = blobs

    @property
    def log(self) -> int:
        """What is kept free for `state.db`."""
        return min(LOG, self._total // 8) if self._total else LOG

    @property
    def slack(self) -> int:
        """What is kept free for merges, so that there is room for one when segments fill their ceiling."""
        return min(64 << 20, self._points // 8, self._total // 8 if self._total else self._points)

    def room(self) -> int:
        """Bytes that segments may grow by now; less than 0 when they take too much already."""
        disk = os.statvfs(self._path)
        spare = min(_SPARE, disk.f_blocks * disk.f_frsize // 20)
        room = min(self._points - occupied(self._path / "segments"), disk.f_bavail * disk.f_frsize - spare)
        if not self._total:
            return room
        others = occupied(self._path) - occupied(self._path / FOLDER)
        return min(room, self._total - self.log - self._blobs - others)


class Budget:
    """Bytes that the files of one piece of work may have together."""

    def __init__(self, room: int) -> None:
        self.left = room

    def sink(self, file: BinaryIO) -> Sink:
        return Sink(file, self)


class Sink:
    """A file that takes no more than its budget: then OSError with ENOSPC, before anything is written."""

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self.closed = False

    def write(self, data: bytes) -> int:
        self._budget.left -= len(data)
        if self._budget.left < 0:
            raise OSError(errno.ENOSPC, "no room under the ceiling of the store")
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The file stays open: it is still to be brought to disk."""
        self.closed = True


def occupied(path: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes of disk that the files below `path` take; one that has several names counts once."""
    seen = set() if seen is None else seen
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += occupied(Path(entry.path), seen)
                else:
                    total += _blocks(entry, seen)
    except FileNotFoundError:
        pass
    return total


def _blocks(entry: os.DirEntry[str], seen: set[tuple[int, int]]) -> int:
    try:
        stat = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it was just removed
        return 0
    if stat.st_nlink > 1:
        if (stat.st_dev, stat.st_ino) in seen:
            return 0
        seen.add((stat.st_dev, stat.st_ino))
    return stat.st_blocks * 512
