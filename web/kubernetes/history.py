"""One resource over time: what there is, and the newest changes, as far back as they are kept. No I/O.

Versions are shared by all resources and only grow; each change has one of its own. A version from before the oldest
kept change, or from another life of this node, is `Expired`: what happened since cannot be told.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
from msgspec import Struct

KEPT = 4096
"""Changes of one resource that are kept."""
KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of the objects of these changes."""


class Expired(Exception):
    """The version is not kept."""


class Versions(Struct):
    """The newest version."""

    number: int

    def next(self) -> int:
        self.number += 1
        return self.number


class Entry(Struct, frozen=True):
    """One object as it is served; `body` is its JSON."""

    namespace: str
    name: str
    labels: dict[str, str]
    version: int
    body: bytes

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Change(Struct, frozen=True):
    """What became of one object; `None` before it was, and after it is gone."""

    version: int
    before: Entry | None
    after: Entry | None


class History:
    """Objects of one resource."""

    def __init__(self, versions: Versions, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self.entries: dict[str, Entry] = {}
        self._versions = versions
        self.newest = self._floor = versions.number
        self._changes: deque[Change] = deque()
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._bytes = 0

    @property
    def version(self) -> int:
        """The version of all that is here now."""
        return self._versions.number

    def put(self, name: str, data: dict[str, Any] | None) -> None:
        """The object `namespace/name` as it is now; the same again is no change."""
        before = self.entries.get(name)
        if data is None:
            if before is not None:
                del self.entries[name]
                self._note(Change(self._versions.next(), before, None))
            return
        if before is not None and _encoded(data, before.version) == before.body:
            return
        version = self._versions.next()
        namespace, _, own = name.partition("/")
        labels = data["metadata"].get("labels") or {}
        after = self.entries[name] = Entry(namespace, own, labels, version, _encoded(data, version))
        self._note(Change(version, before, after))

    def since(self, version: int) -> list[Change]:
        """What changed after `version`, in order. Raises `Expired`."""
        self._check(version)
        found = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found

    def at(self, version: int) -> dict[str, Entry]:
        """What there was at `version`. Raises `Expired`."""
        entries = dict(self.entries)
        for change in reversed(self.since(version)):
            key = (change.after or change.before or _NOTHING).key
            if change.before is None:
                del entries[key]
            else:
                entries[key] = change.before
        return entries

    def _check(self, version: int) -> None:
        if not self._floor <= version <= self.version:
            raise Expired(f"too old resource version: {version} ({self._floor})")

    def _note(self, change: Change) -> None:
        self.newest = change.version
        self._changes.append(change)
        self._bytes += _size(change)
        while len(self._changes) > self._kept or self._bytes > self._kept_bytes:
            last = self._changes.popleft()
            self._bytes -= _size(last)
            self._floor = last.version


_NOTHING = Entry("", "", {}, 0, b"")


def stamped(entry: Entry, version: int) -> bytes:
    """The object with another version: what is told of it when it is gone."""
    return _encoded(msgspec.json.decode(entry.body), version)


def _encoded(data: dict[str, Any], version: int) -> bytes:
    data["metadata"]["resourceVersion"] = str(version)
    return msgspec.json.encode(data)


def _size(change: Change) -> int:
    return sum(len(side.body) for side in (change.before, change.after) if side is not None)
