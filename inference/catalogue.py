"""What can be fetched and what runs on it: `catalogue.toml`, read into frozen structs."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from twins.errors import Rejected


class Pypi(Struct, frozen=True, tag="pypi", forbid_unknown_fields=True):
    """A file inside a wheel. `bytes` is the wheel's size."""

    package: str
    version: str
    path: str
    bytes: int


class Npm(Struct, frozen=True, tag="npm", forbid_unknown_fields=True):
    """A file inside an npm package. `bytes` is the package's size, packed."""

    package: str
    version: str
    path: str
    bytes: int


class Url(Struct, frozen=True, tag="url", forbid_unknown_fields=True):
    """The file itself behind an address."""

    url: str


Source = Pypi | Npm | Url


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One file: where it comes from, what it must be (`bytes`, `sha256`), and what goes into a model and comes out."""

    name: str
    kind: Literal["model", "media"]
    task: str
    version: str
    file: str
    bytes: int
    sha256: str
    licence: str
    source: Source
    default: bool = False
    labels: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    input: str = ""
    output: str = ""


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """A pipeline: the models it runs in turn. The last one names its labels."""

    name: str
    task: str
    models: tuple[str, ...]


class Catalogue(Struct, frozen=True, forbid_unknown_fields=True):
    """All entries and all pipelines."""

    entries: tuple[Entry, ...]
    pipelines: tuple[Recipe, ...]

    def entry(self, name: str) -> Entry:
        """Raises `Rejected` with the nearest name when there is none."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise Rejected(_unknown("model or medium", name, [entry.name for entry in self.entries]), 404)

    def pipeline(self, name: str) -> Recipe:
        """Raises `Rejected` with the nearest name when there is none."""
        for recipe in self.pipelines:
            if recipe.name == name:
                return recipe
        raise Rejected(_unknown("pipeline", name, [recipe.name for recipe in self.pipelines]), 404)

    def defaults(self, kind: Literal["model", "media"] | None = None) -> tuple[Entry, ...]:
        """The set that is fetched when nobody names one."""
        return tuple(entry for entry in self.entries if entry.default and kind in (None, entry.kind))


def load(path: Path | None = None) -> Catalogue:
    """The catalogue that ships with Gemelo, or the one at `path`."""
    path = path or Path(__file__).with_name("catalogue.toml")
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Catalogue)


def origin(source: Source) -> str:
    """Where a file comes from, for people."""
    match source:
        case Pypi():
            return f"pypi {source.package} {source.version}"
        case Npm():
            return f"npm {source.package} {source.version}"
        case Url():
            return source.url


def _unknown(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"no {what} is called {name!r}: {hint}"
