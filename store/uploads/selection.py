"""What a selection means, and what of it must never go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate

from store.uploads.manifest import Select, Upload


class Selection:
    """Compiled from a manifest's `select`."""

    def __init__(self, select: Select) -> None:
        self.kinds = select.kinds
        self._namespaces = _compiled(select.namespaces)
        self._series = _compiled(select.series)
        self._devices = _compiled(select.cameras)

    def fits(self, namespace: str, device: str, name: str) -> bool:
        """Whether points of the property `name` are meant; `results` and `pictures` are names of the device's own."""
        return (
            _fits(self._namespaces, namespace)
            or _fits(self._devices, f"{namespace}/{device}")
            or _fits(self._series, f"{namespace}/{device}/{name}")
        )


class Gate:
    """What one upload lets through: its selection, less what any `never` names.

    `version` tells one state of the blocks from the next; a gate is of one state.
    """

    def __init__(self, wanted: Selection, blocks: Mapping[str, Selection], version: int = 0) -> None:
        self.version = version
        self.kinds = wanted.kinds
        self._wanted = wanted
        self._blocks = blocks
        self._known: dict[tuple[str, str, str], tuple[bool, str]] = {}

    @property
    def guarded(self) -> bool:
        """True if anything must not go."""
        return bool(self._blocks)

    def verdict(self, namespace: str, device: str, name: str) -> tuple[bool, str]:
        """Whether it is wanted, and the `never` that keeps it here, if any."""
        key = namespace, device, name
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._judged(*key)
        return known

    def sorted(self, series: Iterable[str]) -> tuple[dict[str, list[str]], int]:
        """Of these series those that are wanted and must not go, by the `never` that says so; and how many may go."""
        held: dict[str, list[str]] = {}
        free = 0
        for each in series:
            wanted, block = self.verdict(*parted(each))
            if block:
                held.setdefault(block, []).append(each)
            else:
                free += wanted
        return held, free

    def _judged(self, namespace: str, device: str, name: str) -> tuple[bool, str]:
        if not self._wanted.fits(namespace, device, name):
            return False, ""
        return True, next((one for one, each in self._blocks.items() if each.fits(namespace, device, name)), "")


def blocks_of(uploads: Mapping[str, Upload]) -> dict[str, Selection]:
    """The selections of those that say `never`, by their id. They hold for all kinds of data."""
    return {name: Selection(upload.spec.select) for name, upload in sorted(uploads.items()) if upload.blocks}


def parted(series: str) -> tuple[str, str, str]:
    """Namespace, device and property; only the property may hold a slash."""
    namespace, _, rest = series.partition("/")
    device, _, name = rest.partition("/")
    return namespace, device, name


def _fits(pattern: re.Pattern[str] | None, text: str) -> bool:
    return pattern is not None and pattern.fullmatch(text) is not None


def _compiled(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, globs)), re.DOTALL) if globs else None
