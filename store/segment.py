"""One sealed file, and the list of them in `state.db`: what is not in the list is not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, get_args

from msgspec import Struct, structs

from store.checksums import checksum, note

Kind = Literal["points", "desired", "results", "1m", "1h"]
"""What a segment holds. `desired` is the history of desired values, with the columns of points; `1m` and `1h` are the
rollups (`store/rollup.py`) of the segment of points whose name is the same but for the kind."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Rollup = Literal["1m", "1h"]
ROLLUPS: tuple[Rollup, ...] = get_args(Rollup)
DAY = 86_400_000_000
"""Microseconds."""


NOTHING: Mapping[str, int] = MappingProxyType({})


class Segment(Struct, frozen=True):
    """One sealed file; `first` and `last` are the least and the greatest time in it, `digest` its SHA-256 in hex."""

    name: str
    kind: Kind
    first: int
    last: int
    rows: int
    bytes: int
    digest: str = ""

    @property
    def beside(self) -> set[str]:
        """What its rollups are called, if it has any."""
        return {sidecar(self.name, kind) for kind in ROLLUPS} if self.kind == "points" else set()

    @property
    def day(self) -> int | None:
        """Days since 1970; `None` of one that spans several."""
        day = self.first // DAY
        return day if day == self.last // DAY else None


def name_of(journal: str, kind: Kind, day: int, number: int) -> str:
    """What the file of such a segment is called; `number` is never used twice for one kind and day."""
    try:
        date = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y%m%d")
    except (OverflowError, ValueError, OSError):
        date = str(day)
    return f"{journal}-{kind}-{date}-{number:012d}.parquet"


def kind_in(name: str) -> Kind:
    """The kind that a file's name tells."""
    parts = name.split("-")
    return next((kind for kind in KINDS if kind in parts[1:2]), "points")


def sidecar(name: str, kind: Kind) -> str:
    """The name of the segment of another kind that was written beside the segment `name`."""
    journal, _, rest = name.split("-", 2)
    return f"{journal}-{kind}-{rest}"


def read_list(connection: sqlite3.Connection) -> list[Segment]:
    """All of them, by their first time."""
    columns = ", ".join(Segment.__struct_fields__)
    return [Segment(*row) for row in connection.execute(f"SELECT {columns} FROM segments ORDER BY first, name")]  # noqa: S608 - ours


def begin(connection: sqlite3.Connection) -> tuple[int, dict[str, int]]:
    """The greatest number of a segment there ever was, and the floors: see `store.policies`."""
    (number,) = connection.execute("SELECT value FROM meta WHERE key = 'segment'").fetchone()
    floors = connection.execute("SELECT substr(key, 7), value FROM meta WHERE key LIKE 'floor:%'")
    return int(number), dict(floors.fetchall())


def enter(connection: sqlite3.Connection, segments: Sequence[Segment], number: int = 0) -> None:
    """Put segments on the list; none is ever called by that number again."""
    rows = [(*row, checksum(*row)) for row in map(structs.astuple, segments)]
    connection.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    if number:
        note(connection, "segment", number)


def note_latest(connection: sqlite3.Connection, latest: Sequence[tuple[Any, ...]]) -> None:
    """Keep the newest points of some series: at, seq, number, text and the series' number."""
    connection.executemany("UPDATE series SET at = ?, seq = ?, number = ?, text = ? WHERE id = ?", latest)


def enter_points(connection: sqlite3.Connection, segments: Sequence[Segment], number: int, batch: int) -> None:
    """Put them on the list and forget the log up to `batch`, of which they were made."""
    enter(connection, segments, number)
    connection.execute("DELETE FROM point_log WHERE batch <= ?", [batch])


def enter_results(connection: sqlite3.Connection, segments: Sequence[Segment], number: int, last: int) -> None:
    """Put those of results on the list and forget the rows up to `last`, from which they were made."""
    enter(connection, segments, number)
    connection.execute("DELETE FROM results WHERE id <= ?", [last])


def swap(
    connection: sqlite3.Connection, gone: Iterable[str], come: Sequence[Segment], number: int, floors: Mapping[str, int]
) -> None:
    """Put `come` on the list in place of `gone`."""
    forget(connection, gone, floors)
    enter(connection, come, number)


def forget(connection: sqlite3.Connection, names: Iterable[str], floors: Mapping[str, int] = NOTHING) -> None:
    """Take segments off the list; what of it went for want of space is told by `floors`."""
    connection.executemany("DELETE FROM segments WHERE name = ?", [(name,) for name in names])
    for name, at in floors.items():
        note(connection, f"floor:{name}", at)
