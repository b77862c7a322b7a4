"""Messages that wait, in order and within a quota of bytes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

Message = tuple[str, bytes]
"""Topic and payload."""
EACH = 256
"""Bytes that a message takes beside its own, here and on disk: of short ones there would be very many in a quota."""


class Backlog:
    """By key; beyond `quota` bytes the oldest go. Without a quota (0) none goes."""

    def __init__(self) -> None:
        self.quota = 0
        self.bytes = 0
        self.dropped = 0
        """Messages that had to go for the quota."""
        self._messages: dict[str, Message] = {}
        self._gone: list[str] = []

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, key: str, message: Message) -> bool:
        """Put a message behind all others; `False` for one that waits already."""
        if key in self._messages:
            return False
        self._messages[key] = message
        self.bytes += _size(message)
        while self.quota and self.bytes > self.quota:
            self.dropped += self.remove([next(iter(self._messages))])
        return True

    def first(self, count: int) -> dict[str, Message]:
        """The oldest, which stay."""
        return dict(islice(self._messages.items(), count))

    def remove(self, keys: Iterable[str]) -> int:
        """Let these go; how many of them were still there."""
        gone = [key for key in keys if key in self._messages]
        for key in gone:
            self.bytes -= _size(self._messages.pop(key))
        self._gone += gone
        return len(gone)

    def gone(self) -> list[str]:
        """The keys that went since it was asked last: what is to be deleted on disk."""
        keys, self._gone = self._gone, []
        return keys


def _size(message: Message) -> int:
    return EACH + len(message[0]) + len(message[1])
