"""Which messages were stored: the digests of the last ones, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable


class Digests:
    """Knows the last `size` digests at least, twice as many at most.

    Two generations: when the younger is full the elder goes whole. Taking the oldest key out of one dict instead looks
    through the holes of all that went before it: 100 µs a message once the limit is reached.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, digest: int) -> bool:
        return digest in self._young or digest in self._old

    def __len__(self) -> int:
        return len(self._young | self._old)

    def add(self, digest: int) -> None:
        self._young.add(digest)
        if len(self._young) >= self._size:
            self._old, self._young = self._young, set()

    def update(self, digests: Iterable[int]) -> None:
        """Add all, the oldest first."""
        for digest in digests:
            self.add(digest)
