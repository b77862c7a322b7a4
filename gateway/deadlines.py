"""Names in the order of their deadlines. One that does not hold any more stays, to be skipped by whoever takes it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator


class Deadlines:
    """A heap of deadlines in microseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def fill(self, deadlines: Iterable[tuple[int, str]]) -> None:
        """Put these in place of all there were."""
        self._heap = list(deadlines)
        heapq.heapify(self._heap)

    def push(self, due: int, name: str) -> bool:
        """Add one; whether it is the first now."""
        heapq.heappush(self._heap, (due, name))
        return self._heap[0] == (due, name)

    def until(self, now: int) -> Iterator[tuple[int, str]]:
        """Take those that are due at `now`, the first first, with those that are added meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)

    def wait(self, now: int, longest: float) -> float:
        """Seconds from `now` to the first, at most `longest`."""
        return min(longest, (self._heap[0][0] - now) / 1e6) if self._heap else longest
