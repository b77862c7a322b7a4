"""What queries ask: one DuckDB that reads the segments and nothing else, and the points that are only in memory yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from store.columns import Columns
from store.segment import Segment
from store.table import overlapping, sound, tabulate, without

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
    """What queries share: the DuckDB instance, and the table of the points in memory as last built."""

    def __init__(self, node: str, file: Path, directory: Path, memory: int) -> None:
        self.node = node
        self.file = file
        self.directory = directory
        self._given: tuple[list[Columns], list[str]] = ([], [])
        self._key: tuple[Any, ...] = ()
        self._table: pa.Table | None = None
        self._sound: set[str] = set()
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

    def give(self, chunks: list[Columns], series: list[str]) -> None:
        """These are the points in memory from now on."""
        self._given, self._table = (chunks, series), None

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

    def memory(self, version: int, listed: Sequence[Segment]) -> pa.Table:
        """The unsealed points, less those that a listed segment has; built once for each state of both."""
        if self._table is None or (version, listed) != self._key:
            table = tabulate(*self._given, self.node)
            self._table = without(table, overlapping(table, listed, self.directory))
            self._key = (version, listed)
        return self._table


def quoted(path: Path) -> str:
    """A path as SQL writes a text."""
    text = str(path).replace("'", "''")
    return f"'{text}'"
