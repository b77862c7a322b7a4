"""What queries ask: one DuckDB that reads the segments and nothing else, and the points that are only in memory yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from store.sql.memory import Memory
from store.sql.views import quoted
from store.table import numberless, sound

_SETTINGS = (
    "SET GLOBAL TimeZone = 'UTC'",  # without GLOBAL a cursor would take the machine's
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET enable_progress_bar = false",
    "SET parquet_metadata_cache = true",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""After these DuckDB reads the segments' directory and nothing else, and no query can change that."""


class Sources:
    """What queries share: the DuckDB instance, and the points in memory."""

    def __init__(self, node: str, file: Path, directory: Path, memory: int) -> None:
        self.node = node
        self.file = file
        self.directory = directory
        self.memory = Memory(node, directory)
        self._sound: set[str] = set()
        self._texts: dict[Path, bool] = {}
        self._base = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": f"{memory}MiB"})
        self._base.execute(f"SET allowed_directories = [{quoted(directory)}]")
        for setting in _SETTINGS:
            self._base.execute(setting)

    def warm(self) -> None:
        """Start DuckDB's threads and load what Arrow loads late."""
        self._base.sql("SELECT count(*) FROM range(100000) GROUP BY range % 7").to_arrow_reader(1).read_all()

    def cursor(self) -> Any:
        """A connection of its own to the instance; close it."""
        return self._base.cursor()

    def has_texts(self, path: Path) -> bool:
        """True unless the file's footer says that all its points have a number. Raises OSError, pa.ArrowException."""
        if path not in self._texts:
            self._texts[path] = numberless(path)
        return self._texts[path]

    def broken(self, paths: Sequence[Path], error: Exception) -> list[str]:
        """Which of these segments cannot be read.

        A query at fault must not make us read all files again and again: what is sound and not in the error's words is
        read through once. An error without a kind comes from files alone.
        """
        if type(error) is duckdb.Error:
            self._sound.clear()
        found = []
        for path in paths:
            if path.name in self._sound and path.name not in str(error):
                continue
            if sound(path) and self._reads(path):
                self._sound.add(path.name)
            else:
                found.append(path.name)
        return found

    def _reads(self, path: Path) -> bool:
        """True if DuckDB reads the whole file too."""
        with self.cursor() as cursor:
            try:
                cursor.execute(f"SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet({quoted(path)})").fetchall()  # noqa: S608
            except duckdb.OutOfMemoryException:
                raise
            except (duckdb.Error, ValueError):
                return False
        return True
