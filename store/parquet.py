"""Files of segments: written whole or not at all, looked at, and put out of the way. Loads pyarrow when it must."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.segment import Kind, Segment, kind_in, name_of
from store.space import Budget
from store.steps import Step, unwatched

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

logger = logging.getLogger(__name__)

ASIDE = ".damaged"
"""What the name of a file that cannot be read ends in."""
ROWS = 65_536
"""Rows of a group: what a reader skips or reads as a whole."""
_REPLACES = b"gemelo.replaces"
"""Key in a file's footer: the files that it was made of, so that a lost list of segments brings none of them back."""
_SAMPLE = 4096
_CODECS: dict[str, tuple[str, ...]] = {
    "float": ("dictionary", "PLAIN", "BYTE_STREAM_SPLIT"),
    "whole": ("PLAIN", "dictionary", "DELTA_BINARY_PACKED"),
    "text": ("dictionary", "PLAIN"),
}
"""What is tried on each kind of column, the first first. Spark reads no whole numbers that are split by byte."""


class Job:
    """One piece of work that makes files in `directory`: together no more than the budget, their names by its number
    and the next.

    `step` hears of each file that it is `written`, then that it is `renamed`, after the job's name.
    """

    def __init__(
        self, name: str, directory: Path, journal: str, number: int, budget: Budget, step: Step = unwatched
    ) -> None:
        self.directory = directory
        self.number = number
        self._name = name
        self._journal = journal
        self._budget = budget
        self._step = step
        self._made: list[Path] = []

    def name(self, kind: Kind, day: int, *, spare: bool = False) -> str:
        """What a segment of this job is called; the `spare` one is a second of its kind and day."""
        return name_of(self._journal, kind, day, self.number + spare)

    def write(self, table: pa.Table, name: str, replaces: Sequence[str] = ()) -> Segment:
        """The table as a file that is on disk when this returns; its rows are not sorted here."""
        table = in_milliseconds(table)
        with self.writing(name, table.schema, codecs(table), replaces) as file:
            file.write_table(table, row_group_size=ROWS)
        return inspect(self.directory / name)

    @contextmanager
    def writing(
        self, name: str, schema: pa.Schema, chosen: dict[str, str], replaces: Sequence[str] = ()
    ) -> Iterator[pq.ParquetWriter]:
        """What is written within is a file under its name, on disk, when this ends; on an error there is none.

        `chosen` are codecs by column. Raises OSError, with ENOSPC beyond the budget.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.directory / name
        temporary = path.with_suffix(".tmp")
        footer = {**(schema.metadata or {}), _REPLACES: "\n".join(replaces).encode()}
        try:
            with temporary.open("wb") as file:
                with pq.ParquetWriter(
                    pa.PythonFile(self._budget.sink(file), mode="w"),
                    schema.with_metadata(footer),
                    compression="zstd",
                    compression_level=3,
                    use_dictionary=[name for name, codec in chosen.items() if codec == "dictionary"],
                    column_encoding={name: codec for name, codec in chosen.items() if codec != "dictionary"},
                    write_page_checksum=True,
                ) as writer:
                    yield writer
                file.flush()
                os.fsync(file.fileno())
            self._step(f"{self._name}:written")
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._made.append(path)
        sync(self.directory)
        self._step(f"{self._name}:renamed")

    def undo(self) -> None:
        """Remove what was made: nobody knows it."""
        remove(self._made)


def codecs(table: pa.Table) -> dict[str, str]:
    """For each column the codec that makes a sample of it smallest.

    Quantised sensors repeat their values, which a dictionary halves; floats of full entropy split better by byte; times
    of one clock are best as differences.
    """
    import pyarrow as pa

    slices = [table.slice(start, _SAMPLE) for start in range(0, len(table), max(_SAMPLE, len(table) // 4))]
    sample = pa.concat_tables(slices).combine_chunks()
    return {field.name: _codec(sample.select([field.name])) for field in table.schema}


def in_milliseconds(table: pa.Table) -> pa.Table:
    """The table with times in milliseconds where no time says more: most clocks tick so, and it saves a byte a row."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if not pa.types.is_timestamp(field.type) or field.type.unit == "ms":
            continue
        try:
            column = table.column(place).cast(pa.timestamp("ms", tz="UTC"))
        except pa.ArrowInvalid:  # it would lose microseconds
            continue
        table = table.set_column(place, pa.field(field.name, column.type), column)
    return table


def inspect(path: Path) -> Segment:
    """What the list of segments says of a file. Raises OSError, ValueError or pa.ArrowException."""
    import pyarrow.parquet as pq

    data = pq.read_metadata(path)
    place = data.schema.names.index("time")
    spans = [data.row_group(number).column(place).statistics for number in range(data.num_row_groups)]
    scale = 1000 if data.schema.to_arrow_schema().field("time").type.unit == "ms" else 1
    first, last = min(span.min_raw for span in spans) * scale, max(span.max_raw for span in spans) * scale
    size, digest = weighed(path)
    return Segment(path.name, kind_in(path.name), first, last, data.num_rows, size, digest)


def weighed(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def is_whole(path: Path, segment: Segment) -> bool:
    """True if the file is as it was written; of one from before there were digests its length tells."""
    try:
        size, digest = weighed(path)
    except OSError:
        return False
    return digest == segment.digest if segment.digest else size == segment.bytes


def tidy(directory: Path, journal: str, listed: set[str]) -> tuple[list[Segment], set[str]]:
    """Remove what a kill left; returns the files of other journals, and the listed names that are not there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = {path.name: path for path in directory.iterdir()}
    strange = []
    for name in present.keys() - listed:
        path = present[name]
        if path.suffix == ".parquet" and not name.startswith(f"{journal}-"):
            strange.append(path)
        elif path.suffix in {".parquet", ".tmp"}:
            path.unlink()
    return _adopted(strange), listed - present.keys()


def _adopted(strange: Sequence[Path]) -> list[Segment]:
    """The readable files of other journals, less those that others of them were made of."""
    found: dict[str, Segment] = {}
    made_of: set[str] = set()
    for path in strange:
        try:
            found[path.name] = inspect(path)
            made_of |= _replaced(path)
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes its reader raise
            logger.error("segment %s cannot be read (%s): left where it is", path, error)  # noqa: TRY400 - no traceback
    for path in strange:
        if path.name in made_of:
            path.unlink()
    return [segment for name, segment in found.items() if name not in made_of]


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


def sync(path: Path) -> None:
    """Let a file, or the names in a directory, be on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replaced(path: Path) -> set[str]:
    import pyarrow.parquet as pq

    footer: dict[bytes, bytes] = pq.read_metadata(path).metadata or {}
    return set(footer.get(_REPLACES, b"").decode().split())


def _codec(column: pa.Table) -> str:
    import pyarrow as pa

    kind = column.schema.field(0).type
    if pa.types.is_dictionary(kind):
        return "dictionary"
    if pa.types.is_floating(kind):
        tried = _CODECS["float"]
    elif pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        tried = _CODECS["whole"]
    else:
        tried = _CODECS["text"]
    if column.column(0).null_count == len(column):
        return tried[0]
    return min(tried, key=lambda codec: _size(column, codec))


def _size(column: pa.Table, codec: str) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = column.column_names[0]
    options: dict[str, Any] = {"use_dictionary": codec == "dictionary"}
    if codec != "dictionary":
        options["column_encoding"] = {name: codec}
    sink = pa.BufferOutputStream()
    pq.write_table(column, sink, compression="zstd", compression_level=3, write_statistics=False, **options)
    return int(sink.tell())
