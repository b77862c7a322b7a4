"""The values of one input in the last so many microseconds, and their tally at O(1) a value.

Values lie in cells, `CHUNK` cells in a chunk; a chunk is packed bytes, as its row on disk. The oldest chunk is taken
apart, so that its cells can leave one by one. As in a queue of two stacks, each old cell, and each old chunk after it,
knows the tally of itself with all old ones that follow, and there is one of the closed chunks that came since, and one
of the open chunk: the tally of all is a merge of three. Nothing is ever subtracted, so a large value leaves no error
behind when it is gone.

A cell is one value while values come farther apart than a `CELLS`th of the size. What comes closer shares a cell and
leaves with it: memory stays bounded at any rate, and only the edge of the window is as coarse as that.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping

from msgspec import Struct

from rules.past.cell import Torn, packed, single, unpacked
from twins.sketch import quantile
from twins.tally import Tally

CELLS = 4096
CHUNK = 16
NEVER = 1 << 62


class _Chunk(Struct, gc=False):
    """A closed chunk. `number` names its row on disk."""

    number: int
    body: bytes
    tally: Tally


class Span:
    """Over (now - size, now], by the time at which values were taken. With `ordered` there are percentiles too."""

    __slots__ = ("_after", "_at", "_body", "_changed", "_closed", "_count", "_first", "_grain", "_last", "_leaves",
                 "_means", "_new", "_number", "_old", "_ordered", "_rests", "_seq", "_size", "_start", "_sum",
                 "_whole")  # fmt: skip

    def __init__(self, size: int, *, ordered: bool = False) -> None:
        self._size = size
        self._grain = size // CELLS
        self._last = 0
        self._leaves = NEVER  # when the oldest cell has to go
        self._ordered: list[float] | None = [] if ordered else None
        self._seq = 0
        # the oldest chunk: each of its cells with all old ones after it, newest first; what they are in order by
        self._first = -1
        self._old = b""
        self._rests: list[Tally] = []
        self._means: list[float] = []
        # closed chunks; of the first of them the tally with all that follow, as of `_rests`
        self._closed: deque[_Chunk] = deque()
        self._after: list[Tally] = []
        # all closed chunks that came since
        self._new = Tally()
        self._whole: Tally | None = None  # once it was asked for
        # the open chunk; its last cell begins at the time `_at`, and at `_start` of its body
        self._number = 0
        self._sum = Tally()
        self._body = bytearray()
        self._count = 0
        self._at = 0
        self._start = 0
        self._changed: set[int] = set()

    def add(self, now: int, value: float) -> None:
        """Take a value; a clock that went back stands still."""
        if now < self._last:
            now = self._last
        if now >= self._leaves:
            self._evict(now)
        self._last = now
        self._whole = None
        self._seq = seq = self._seq + 1
        if self._count and now - self._at < self._grain:
            self._share(now, seq, value)
        else:
            if self._count >= CHUNK:
                self._close()
            if self._leaves == NEVER:
                self._leaves = now + self._size
            self._at = now
            self._start = len(self._body)
            self._count += 1
            self._body += single(now, value)
            if self._ordered is not None:
                insort(self._ordered, value)
        self._sum.add(now, seq, value)
        self._changed.add(self._number)

    def tally(self, now: int) -> Tally:
        """What there is of the values at `now`; without its sketch."""
        if now >= self._leaves:
            self._evict(now)
        if self._whole is None:
            self._whole = Tally()
            self._whole.merge(self._sum)
            self._whole.merge(self._new)
            if self._rests:
                self._whole.merge(self._rests[-1])
        return self._whole

    def sum(self, now: int) -> tuple[int, float]:
        """How many values there are, and their sum, without the cost of a tally."""
        if now >= self._leaves:
            self._evict(now)
        new, open_ = self._new, self._sum
        if not self._rests:
            return new.n + open_.n, new.total + open_.total
        rest = self._rests[-1]
        return new.n + open_.n + rest.n, new.total + open_.total + rest.total

    def percentile(self, now: int, percent: float) -> float | None:
        """Between two values in proportion; the values of a shared cell count as one, their mean."""
        if now >= self._leaves:
            self._evict(now)
        return quantile(self._ordered, percent / 100) if self._ordered else None

    def news(self) -> Iterator[tuple[int, bytes | None]]:
        """Rows that changed since the last call, `None` for those that are gone."""
        for number in self._changed:
            yield number, self._row(number)
        self._changed.clear()

    def rows(self) -> dict[int, bytes]:
        """All rows."""
        found = {chunk.number: chunk.body for chunk in self._closed}
        for number in (self._first, self._number):
            if (body := self._row(number)) is not None:
                found[number] = body
        return found

    def restore(self, rows: Mapping[int, bytes]) -> set[int]:
        """Take up what `rows` gave, before the first value; returns those that could be read."""
        taken = set()
        for number in sorted(rows):
            try:
                cells = unpacked(rows[number], self._seq)
            except Torn:
                continue
            if self._count:
                self._close()
            self._number = number
            self._body = bytearray(rows[number])
            self._count = len(cells)
            for cell in cells:
                self._sum.merge(cell)
                if self._ordered is not None:
                    insort(self._ordered, cell.total / cell.n)
            self._at = cells[-1].first[0]
            self._start = len(self._body) - len(packed(cells[-1]))
            self._last, self._seq, _ = cells[-1].last
            self._leaves = min(self._leaves, cells[0].first[0] + self._size)
            taken.add(number)
        return taken

    def _evict(self, now: int) -> None:
        """Let go of what is too old."""
        self._whole = None
        horizon = now - self._size
        while self._rests or self._take_apart():
            oldest = self._rests[-1].first[0]
            if oldest > horizon:
                self._leaves = oldest + self._size
                return
            self._rests.pop()
            if self._ordered is not None:
                self._unorder(self._means.pop())
            if not self._rests:
                self._changed.add(self._first)
        self._leaves = NEVER

    def _take_apart(self) -> bool:
        """Take the oldest chunk apart; `False` when there is none."""
        if not self._closed:
            if not self._count:
                return False
            self._close()
        if not self._after:
            self._after = _joined([chunk.tally for chunk in reversed(self._closed)])
            self._new = Tally()
        self._after.pop()
        chunk = self._closed.popleft()
        self._first, self._old = chunk.number, chunk.body
        cells = unpacked(chunk.body, chunk.tally.first[1] - 1)[::-1]
        if self._ordered is not None:
            self._means = [cell.total / cell.n for cell in cells]
        self._rests = _joined(cells, self._after[-1] if self._after else None)
        return True

    def _share(self, now: int, seq: int, value: float) -> None:
        """Take a value into the last cell."""
        (cell,) = unpacked(bytes(self._body[self._start :]), 0)
        self._unorder(cell.total / cell.n)
        cell.add(now, seq, value)
        if self._ordered is not None:
            insort(self._ordered, cell.total / cell.n)
        self._body[self._start :] = packed(cell)

    def _close(self) -> None:
        self._new.merge(self._sum)
        self._closed.append(_Chunk(self._number, bytes(self._body), self._sum))
        self._sum = Tally()
        self._body = bytearray()
        self._count = 0
        self._number += 1

    def _unorder(self, mean: float) -> None:
        if self._ordered is not None:
            del self._ordered[bisect_left(self._ordered, mean)]

    def _row(self, number: int) -> bytes | None:
        if number == self._number:
            return bytes(self._body) or None
        if number == self._first:
            return self._old if self._rests else None
        return next((chunk.body for chunk in reversed(self._closed) if chunk.number == number), None)


def _joined(newest_first: list[Tally], after: Tally | None = None) -> list[Tally]:
    """Merge into each all before it in this order, and what comes after them all."""
    for each in newest_first:
        if after is not None:
            each.merge(after)
        after = each
    return newest_first
