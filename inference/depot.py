"""The depot: the folder where fetched models and media lie, each checked against the catalogue."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Literal

from msgspec import Struct

from inference import carrier
from inference.carrier import Say
from inference.catalogue import Catalogue, Entry, load, origin
from twins.errors import Unavailable

State = Literal["ready", "missing", "damaged"]

_MINUTE = 60.0


class Row(Struct, frozen=True):
    """One line of `gemelo model list`."""

    name: str
    kind: str
    task: str
    version: str
    state: State
    default: bool
    bytes: int
    licence: str
    source: str
    path: str


class Depot:
    """Files by their catalogue name in `path`. Whatever `find` returns was whole when it was put there."""

    def __init__(self, path: Path, catalogue: Catalogue | None = None) -> None:
        self.catalogue = catalogue or load()
        self.folder = path

    def find(self, name: str) -> Path | None:
        """Where the file is, or None: absent or not of its right size. Cheap: nothing is read."""
        entry = self.catalogue.entry(name)
        path = self.folder / entry.file
        try:
            return path if path.stat().st_size == entry.bytes else None
        except OSError:
            return None

    def verify(self, name: str) -> State:
        """Read the file and compare its SHA-256 (13 MB take about 10 ms)."""
        entry = self.catalogue.entry(name)
        path = self.folder / entry.file
        if not path.is_file():
            return "missing"
        return "ready" if _sha256(path) == entry.sha256 else "damaged"

    def need(self, name: str) -> Path:
        """Where the checked file is. Raises `Unavailable` with the command that fetches it."""
        state = self.verify(name)
        if state == "ready":
            return self.folder / self.catalogue.entry(name).file
        message = f"{name} is {state} in {self.folder}: run `gemelo model pull {name}`"
        raise Unavailable(message)

    def rows(self) -> list[Row]:
        """The catalogue with the state of each file; reads all files that are there."""
        return [self._row(entry) for entry in self.catalogue.entries]

    async def pull(self, name: str, say: Say = lambda line: None, *, deadline: float = 10 * _MINUTE) -> Path:
        """Fetch one entry unless it is here and whole; `say` hears each step. `deadline` in seconds.

        Raises `Rejected` for a name that the catalogue lacks and `Unavailable` for everything that may be mended:
        no network, no disk, too slow, or a file that is not what the catalogue says.
        """
        entry = self.catalogue.entry(name)
        path = self.folder / entry.file
        if await asyncio.to_thread(self.verify, name) == "ready":
            say(f"{name}: here already")
            return path
        say(f"{name}: from {origin(entry.source)} ({_megabytes(entry)})")
        try:
            async with asyncio.timeout(deadline):
                await self._fetch(entry, path, say)
        except TimeoutError as error:
            message = f"{name} did not arrive within {deadline:.0f} s: `gemelo model pull {name}` tries again"
            raise Unavailable(message) from error
        except OSError as error:
            message = f"{name} could not be kept in {self.folder}: {error}"
            raise Unavailable(message) from error
        say(f"{name}: checked, {path}")
        return path

    async def _fetch(self, entry: Entry, path: Path, say: Say) -> None:
        """The temporary folder lies in the depot: streams to the right disk, and the last step is a rename."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".pull-", dir=self.folder))
        try:
            part = await carrier.fetch(entry, folder, say)
            await asyncio.to_thread(_keep, part, path, entry)
        finally:
            carrier.remove(folder)

    def _row(self, entry: Entry) -> Row:
        return Row(
            name=entry.name,
            kind=entry.kind,
            task=entry.task,
            version=entry.version,
            state=self.verify(entry.name),
            default=entry.default,
            bytes=entry.bytes,
            licence=entry.licence,
            source=origin(entry.source),
            path=str(self.folder / entry.file),
        )


def _keep(part: Path, path: Path, entry: Entry) -> None:
    digest = _sha256(part)
    if digest != entry.sha256:
        message = (
            f"{entry.name} from {origin(entry.source)} is not the file that the catalogue means: SHA-256 {digest[:16]}…"
            f" instead of {entry.sha256[:16]}… (a proxy's error page, or a changed release); nothing was kept"
        )
        raise Unavailable(message)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _megabytes(entry: Entry) -> str:
    size = getattr(entry.source, "bytes", entry.bytes)
    return f"{size / 1e6:.1f} MB"
