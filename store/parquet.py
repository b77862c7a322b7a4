"""Files of segments: written whole or not at all, looked at, and put out of the way. Loads pyarrow when it must."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from store.segment import Kind, Segment

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

ASIDE = ".damaged"
"""What the name of a file that cannot be read ends in."""
_DISTINCT = 0.3
"""Parts of the rows from which on a column of numbers is not worth a dictionary."""


def write(table: pa.Table, path: Path) -> int:
    """The table as a file that is on disk when this returns; its size in bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    # Quantised sensors repeat their values: a dictionary is half the size. Full-entropy floats split better by byte.
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    split = [name for name in floats if pc.count_distinct(table.column(name)).as_py() >= _DISTINCT * len(table)]
    encodings = {"time": "DELTA_BINARY_PACKED"} | dict.fromkeys(split, "BYTE_STREAM_SPLIT")
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                use_dictionary=[name for name in table.column_names if name not in {"time", "seq", *split}],
                column_encoding=encodings,
                row_group_size=65_536,
                coerce_timestamps="us",
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    return path.stat().st_size


def tidy(directory: Path, journal: str, listed: set[str]) -> tuple[list[Segment], set[str]]:
    """Remove what a kill left; returns the files of other journals, and the listed names that are not there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = {path.name: path for path in directory.iterdir()}
    adopted = []
    for name in present.keys() - listed:
        path = present[name]
        if path.suffix == ".parquet" and not name.startswith(f"{journal}-"):
            segment = _inspect(path)
            adopted += [segment] if segment else []
        elif path.suffix in {".parquet", ".tmp"}:
            path.unlink()
    return adopted, listed - present.keys()


def _inspect(path: Path) -> Segment | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        span = pc.min_max(pq.read_table(path, columns=["time"]).column("time").cast(pa.int64())).as_py()
    except (OSError, pa.ArrowException) as error:
        logger.error("segment %s cannot be read (%s): left where it is", path, error)  # noqa: TRY400 - no traceback
        return None
    rows = pq.read_metadata(path).num_rows
    kind: Kind = "results" if "-results-" in path.name else "points"
    return Segment(path.name, kind, span["min"], span["max"], rows, path.stat().st_size)


def set_aside(paths: Iterable[Path]) -> list[bool]:
    """Give each the name of a damaged one; whether it is still there."""
    found = []
    for path in paths:
        try:
            path.rename(path.with_name(path.name + ASIDE))
        except OSError:
            found.append(path.exists())
        else:
            found.append(True)
    return found


def remove(paths: Iterable[Path]) -> None:
    """Delete files; one that is gone is no error."""
    for path in paths:
        path.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
