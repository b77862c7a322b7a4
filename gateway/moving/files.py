"""Files of CSV, lines of JSON, Parquet and line protocol, row by row: a file may be larger than memory."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from devices.telemetry.formats import line
from devices.telemetry.formats.tagged import NAMING, samples
from gateway.moving.table import Layout, Table
from twins.errors import Rejected
from twins.exchange import Sample

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".lp": "line",
    ".line": "line",
    ".txt": "line",
}
FORMS = 1000
"""Sets of keys that the objects of a file may have, and are remembered."""
_LINES = 500
_UNITS = {"": 1, "ns": 1, "us": 1000, "ms": 10**6, "s": 10**9}
_object = msgspec.json.Decoder(dict[str, Any]).decode
Row = tuple[str, Callable[[], list[Sample]]]
"""Where a row stands, and what reads it: it raises `Rejected` where the row is bad."""


def format_of(path: Path, said: str) -> str:
    """`csv`, `json`, `parquet` or `line`, by the name of the file where nothing is `said`. Raises `Rejected`."""
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    found = said or FORMATS.get(suffix.lower(), "")
    if not found:
        raise Rejected(f"{path}: its name does not say what it is: --format csv, json, parquet or line")
    return found


def rows(path: Path, said: str, layout: Layout, tell: Callable[[str], None]) -> Iterator[Row]:
    """All rows of a file; `tell` hears what its columns are taken for. Raises `Rejected`."""
    read = {"json": _json, "csv": _csv, "parquet": _parquet, "line": _lines}[format_of(path, said)]
    try:
        yield from read(path, layout, tell)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Rejected(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _csv(path: Path, layout: Layout, tell: Callable[[str], None]) -> Iterator[Row]:
    with ExitStack() as stack:
        file = stack.enter_context(_opened(path))
        # InfluxDB's exports begin with lines of annotations.
        kept = (text for text in file if not text.startswith("#"))
        reader = csv.DictReader(kept, delimiter="\t" if ".tsv" in path.suffixes else ",", strict=True)
        try:
            columns = reader.fieldnames or ()
            if not columns:
                raise Rejected(f"{path}: it is empty: the first line names the columns")
            table = _table(path, columns, layout, tell)
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    yield place, _fault(f"the line has not {len(columns)} cells, as the first has")
                else:
                    yield place, lambda row=row: list(table.read(row))  # type: ignore[misc]
        except csv.Error as error:
            raise Rejected(f"{path}, line {reader.line_num}: {error}") from None


def _json(path: Path, layout: Layout, tell: Callable[[str], None]) -> Iterator[Row]:
    """An object a line, each with the columns that are its keys: what is null is often left out."""
    tables: dict[tuple[str, ...], Table] = {}
    with _opened(path) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            place = f"{path}, line {number}"
            try:
                row = _object(text)
            except msgspec.DecodeError as error:
                yield place, _fault(f"no JSON object: {error}")
                continue
            keys = tuple(row)
            if (table := tables.get(keys)) is None:
                table = _table(path, keys, layout, _quiet if tables else tell)
                if len(tables) < FORMS:
                    tables[keys] = table
            yield place, lambda row=row, table=table: list(table.read(row))  # type: ignore[misc]


def _parquet(path: Path, layout: Layout, tell: Callable[[str], None]) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Rejected("Parquet needs pyarrow: pip install 'gemelo[sql]'") from None
    try:
        with pq.ParquetFile(path) as file:
            table = _table(path, file.schema_arrow.names, layout, tell)
            number = 0
            for batch in file.iter_batches(8192):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", lambda row=row: list(table.read(row))  # type: ignore[misc]
    except (pa.ArrowException, ValueError) as error:
        raise Rejected(f"{path}: it is no Parquet that can be read: {error}") from None


def _lines(path: Path, layout: Layout, _tell: Callable[[str], None]) -> Iterator[Row]:
    """Texts may hold line feeds, so lines that cannot be read alone are read with those that follow."""
    with _opened(path) as file:
        number = 0
        while part := list(islice(file, _LINES)):
            while part[-1].count('"') % 2 and (more := file.readline()):
                part.append(more)
            for place, text in _whole(part, number):
                yield f"{path}, line {place}", lambda text=text: _read(text, layout)  # type: ignore[misc]
            number += len(part)


def _whole(part: list[str], number: int) -> Iterator[tuple[int, str]]:
    """Lines, each with those that its open text goes on in."""
    held, began = "", 0
    for place, text in enumerate(part, number + 1):
        began = began if held else place
        held += text
        if held.replace('\\"', "").count('"') % 2 == 0:
            yield began, held
            held = ""
    if held:
        yield began, held


def _read(text: str, layout: Layout) -> list[Sample]:
    naming = (layout.device_column,) if layout.device_column else NAMING
    found: list[Sample] = []
    for frame in line.decode(text.encode(), unit=_UNITS[layout.unit]):
        if frame.at is None:
            raise Rejected("a line without a time: what was never stamped is no history")
        found += samples(frame, layout.namespace, 0, naming)
    if not layout.device:
        return found
    device = layout.device if "/" in layout.device else f"{layout.namespace}/{layout.device}"
    return [(device, name, at, value) for _, name, at, value in found]


def _table(path: Path, columns: Any, layout: Layout, tell: Callable[[str], None]) -> Table:
    try:
        table = Table(list(columns), layout)
    except Rejected as error:
        raise Rejected(f"{path}: {error.reason}") from None
    tell(f"{path}: {table.meaning}")
    return table


def _quiet(_said: str) -> None:
    """The forms of a file after its first are not told."""


def _fault(reason: str) -> Callable[[], list[Sample]]:
    def fault() -> list[Sample]:
        raise Rejected(reason)

    return fault


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
