"""Does the cloud go back in time? Pure.

A cluster that was restored from a backup goes on with versions lower than those we have of the same objects (uid). A
copy that is only stale, of a CloudCore whose cache lags, looks the same at first; but once it is acknowledged, the
comparison of CloudCore (every 5 s) finds it older than its own, and sends the newest again. So a lower version is left
alone, and taken for the truth when one comes after `PROOF` seconds in which nothing as new as ours did.
"""

from __future__ import annotations

from msgspec import Struct

PROOF = 60.0
"""Seconds: twelve comparisons."""


class Older(Struct, frozen=True):
    """The cloud said version `said` of what we have in version `ours`; the first of such `since` (µs UTC)."""

    ours: str
    said: str
    since: int


class Past:
    """By (kind, `namespace/name`), of objects that we have."""

    def __init__(self) -> None:
        self.ignored = 0
        """Objects of an older version that were left alone."""
        self.older: dict[tuple[str, str], Older] = {}

    def is_over(self, key: tuple[str, str], ours: str, said: str, seen: int) -> bool:
        """An older version came: whether ours is that of a time the cloud has given up."""
        first = self.older.get(key)
        if first is not None and seen - first.since >= PROOF * 1e6:
            return True
        self.ignored += 1
        self.older[key] = Older(ours, said, seen if first is None else first.since)
        return False

    def forget(self, key: tuple[str, str]) -> None:
        """As new a version as ours came, or we have none any more."""
        self.older.pop(key, None)
