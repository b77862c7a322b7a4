"""What is lost of a store: every checksum in its folder, looked at from outside, whether a gateway runs on it or not.

Nothing is written or locked: `state.db` is opened to be read, and what changes meanwhile is looked at again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from msgspec import Struct

from store import blobs, checksums, parquet
from store.segment import Segment, read_list
from store.space import FOLDER
from store.state import CHECKED, FILE, sign
from twins.errors import Rejected


class Finding(Struct, frozen=True):
    """Something that is not as it was written. `rows` are lost with it, as far as is known."""

    state: Literal["lost", "aside", "left over"]
    file: str
    what: str
    rows: int = 0


class Report(Struct, frozen=True):
    """What was looked at, and what is wrong."""

    segments: int
    rows: int
    blobs: int
    findings: list[Finding]

    @property
    def sound(self) -> bool:
        """True if nothing is lost now; what was set aside before was told then."""
        return not any(finding.state == "lost" for finding in self.findings)


def examine(folder: Path) -> Report:
    """Look at all of it; takes as long as reading it.

    Raises FileNotFoundError where there is no store, and Rejected for one from before there were checksums.
    """
    if not (folder / FILE).is_file():
        message = f"{folder}: there is no {FILE}: name the data folder, [store] path of gateway.toml"
        raise FileNotFoundError(message)
    findings: list[Finding] = []
    listed: list[Segment] = []
    gone: list[str] = []
    try:
        with closing(_opened(folder / FILE)) as connection:
            findings += _state(connection)
            listed = read_list(connection)
            gone = list(blobs.missing(folder / FOLDER, connection))
    except sqlite3.DatabaseError as error:
        findings.append(Finding("lost", FILE, f"cannot be read: {error}"))
    damaged = [finding for segment in listed for finding in _segment(folder, segment)]
    findings += damaged and _still(folder, damaged)
    findings += [Finding("lost", f"{FOLDER}/{name}", "is gone", 1) for name in _still_gone(folder, gone)]
    findings += _aside(folder, {segment.name for segment in listed})
    pictures = list(blobs.unsound(folder / FOLDER))
    findings += [Finding("lost", f"{FOLDER}/{name}", "its content is not what its name says", 1) for name in pictures]
    rows = sum(segment.rows for segment in listed)
    return Report(len(listed), rows, blobs.count(folder / FOLDER), findings)


def _opened(file: Path) -> sqlite3.Connection:
    """To read: beside a gateway by the log that it writes, else the file alone, so that none is made."""
    alone = not file.with_name(f"{FILE}-wal").exists()
    return sqlite3.connect(f"{file.as_uri()}?mode=ro{'&immutable=1' if alone else ''}", uri=True, isolation_level=None)


def _state(connection: sqlite3.Connection) -> Iterator[Finding]:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (signed,) = connection.execute("PRAGMA application_id").fetchone()
    if signed != sign(version):
        yield Finding("lost", FILE, "its header is not what was written")
    elif version < CHECKED:
        message = f"{FILE} is of an earlier Gemelo, without checksums: start the gateway once, then look again"
        raise Rejected(message)
    for (said,) in connection.execute("PRAGMA integrity_check(20)"):
        if said != "ok":
            yield Finding("lost", FILE, str(said))
    for table, rows in checksums.bad(connection).items():
        yield Finding("lost", FILE, f"rows of {table} are not as they were written", rows)


def _segment(folder: Path, segment: Segment) -> Iterator[Finding]:
    path = folder / "segments" / segment.name
    name = f"segments/{segment.name}"
    if not path.exists():
        yield Finding("lost", name, f"is gone, with its {segment.kind}", segment.rows)
    elif not parquet.is_whole(path, segment):
        yield Finding("lost", name, f"is not as it was written ({segment.kind})", segment.rows)


def _still(folder: Path, damaged: list[Finding]) -> list[Finding]:
    """Those that are on the list yet: others may have taken the place of a file while it was looked at."""
    try:
        with closing(_opened(folder / FILE)) as connection:
            names = {f"segments/{segment.name}" for segment in read_list(connection)}
    except sqlite3.DatabaseError:
        return damaged
    return [finding for finding in damaged if finding.file in names]


def _still_gone(folder: Path, names: list[str]) -> list[str]:
    """Those that are known yet: a gateway may have let go of them while they were looked for."""
    try:
        with closing(_opened(folder / FILE)) as connection:
            return sorted({*names} & {*blobs.missing(folder / FOLDER, connection)})
    except sqlite3.DatabaseError:
        return names


def _aside(folder: Path, listed: set[str]) -> Iterator[Finding]:
    for path in sorted(folder.glob(f"{FILE}.damaged-*")):
        if path.suffix not in {".damaged-wal", ".damaged-shm"} and not path.name.endswith(("-wal", "-shm")):
            yield Finding("aside", path.name, "a damaged file that was set aside; what could be read of it was kept")
    for path in sorted((folder / "segments").glob("*")):
        if path.name.endswith(parquet.ASIDE):
            yield Finding("aside", f"segments/{path.name}", "a damaged segment that was set aside")
        elif path.name not in listed:
            yield Finding(
                "left over", f"segments/{path.name}", "on no list: the next start removes it, or takes it over"
            )
