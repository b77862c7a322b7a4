"""Committed points in memory: those not sealed yet, the latest of each series, and a few of each for a sparkline."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from store.columns import Columns
from twins.exchange import Point

_CHUNK = 8192
_RINGS = 5000
_TEXTS = 8
_TEXT = 200
"""Texts that are kept of a series, and characters of each: a text may be long, and most say little."""


class Cut(Struct, frozen=True):
    """Points to be sealed: all up to and including the commit `batch`."""

    batch: int
    chunks: tuple[Columns, ...]
    series: Sequence[str]


class Points:
    """Fed by the journal in the loop. Pure Python: a gateway without SQL keeps it too, then with `keep` False.

    `recent` numbers are kept of up to 5,000 series (16 to 32 bytes a point), and of as many the last 8 texts, cut at
    200 characters; series beyond push out those first seen. At `most` unsealed points the pressure is 1.
    """

    def __init__(self, *, keep: bool = True, recent: int = 60, most: int = 2_000_000) -> None:
        self._keep = keep
        self._most = most
        self._recent = recent
        self.series: Sequence[str] = ()
        """Names of series by their number, as the journal has them; grows only."""
        self._ids: dict[str, int] = {}
        self._chunks: list[tuple[int, Columns]] = []
        self._closed = 0
        self.version = 0
        """Grows with every change of what `snapshot` gives."""
        self._unsealed = 0
        self._latest: dict[int, tuple[int, int, float, str | None]] = {}
        self._rings: OrderedDict[int, _Ring] = OrderedDict()  # a plain dict is slow to give its oldest
        self._texts: OrderedDict[int, deque[tuple[int, str]]] = OrderedDict()

    def __len__(self) -> int:
        """Points not sealed yet."""
        return self._unsealed

    @property
    def pressure(self) -> float:
        """Points not sealed yet in parts of what memory may hold, 0..1: when none can be sealed, none is taken."""
        return min(1.0, self._unsealed / self._most)

    def take(self, batch: int, columns: Columns, series: Sequence[str]) -> None:
        """The journal committed these; they are seen by the next query."""
        self.series = series
        self._note(columns)
        if not self._keep:
            return
        self.version += 1
        self._unsealed += len(columns)
        if self._chunks and self._chunks[-1][0] > self._closed and len(self._chunks[-1][1]) + len(columns) <= _CHUNK:
            chunk = self._chunks[-1][1]
            chunk.extend(columns)
            self._chunks[-1] = (batch, chunk)
        else:
            self._chunks.append((batch, columns.copy()))

    def restore(self, rows: Iterable[tuple[int, int, int, float | None, str | None]], series: Sequence[str]) -> None:
        """The latest points that were sealed before this start, as `(series, at, seq, number, text)`."""
        self.series = series
        for key, at, seq, number, text in rows:
            known = self._latest.get(key)
            if known is None or known[:2] < (at, seq):
                self._latest[key] = (at, seq, math.nan if number is None else number, text)

    def latest(self, series: str) -> Point | None:
        """The point of the series with the greatest time."""
        key = self._key(series)
        known = None if key is None else self._latest.get(key)
        if known is None:
            return None
        at, seq, number, text = known
        return Point(series, at, seq, None if math.isnan(number) else number, text)

    def latest_of(self, keys: Iterable[int]) -> list[tuple[int, int, float | None, str | None, int]]:
        """`(at, seq, number, text, series)` of each: the rows that `restore` takes on the next start."""
        rows = ((*self._latest[key], key) for key in keys)
        return [(at, seq, None if math.isnan(number) else number, text, key) for at, seq, number, text, key in rows]

    def recent(self, series: str, count: int) -> list[tuple[int, float]]:
        """The last `(at, number)` of the series in order of time; text has no sparkline."""
        key = self._key(series)
        ring = None if key is None else self._rings.get(key)
        return ring.last(min(count, self._recent)) if ring else []

    def texts(self, series: str, count: int) -> list[tuple[int, str]]:
        """The last `(at, text)` of the series in order of time; long ones end in an ellipsis."""
        key = self._key(series)
        said = None if key is None else self._texts.get(key)
        return sorted(dict(said).items())[-count:] if said else []

    def snapshot(self) -> tuple[Columns, ...]:
        """All unsealed points as they are now; safe to read in another thread."""
        if not self._chunks:
            return ()
        return (*(chunk for _, chunk in self._chunks[:-1]), self._chunks[-1][1].copy())

    @property
    def newest(self) -> int:
        """The last commit of which there are unsealed points."""
        return self._chunks[-1][0] if self._chunks else 0

    def cut(self, most: int = 1 << 62) -> Cut | None:
        """The oldest unsealed points, as many commits of them as make `most` points, one at least.

        They stay visible until `drop`; later ones go elsewhere.
        """
        chunks: list[Columns] = []
        count = batch = 0
        for last, chunk in self._chunks:
            if chunks and count + len(chunk) > most:
                break
            chunks.append(chunk)
            count, batch = count + len(chunk), last
        self._closed = max(self._closed, batch)
        return Cut(batch, tuple(chunks), self.series) if chunks else None

    def drop(self, batch: int) -> None:
        """A segment holds all points up to this commit."""
        self.version += 1
        self._chunks = [(last, chunk) for last, chunk in self._chunks if last > batch]
        self._unsealed = sum(len(chunk) for _, chunk in self._chunks)

    def _note(self, columns: Columns) -> None:
        latest, rings, text = self._latest, self._rings, columns.text
        rows = zip(columns.series, columns.at, columns.seq, columns.number, strict=True)
        for index, (key, at, seq, number) in enumerate(rows):
            known = latest.get(key)
            if known is None or at > known[0] or (at == known[0] and seq >= known[1]):
                latest[key] = (at, seq, number, text.get(index))
            if number == number:  # not NaN
                ring = rings.get(key)
                if ring is None:
                    ring = self._ring(key)
                ring.add(at, number)
            elif (words := text.get(index)) is not None:
                self._say(key, at, words)

    def _ring(self, key: int) -> _Ring:
        if len(self._rings) >= _RINGS:
            self._rings.popitem(last=False)
        ring = self._rings[key] = _Ring(self._recent)
        return ring

    def _say(self, key: int, at: int, words: str) -> None:
        said = self._texts.get(key)
        if said is None:
            if len(self._texts) >= _RINGS:
                self._texts.popitem(last=False)
            said = self._texts[key] = deque(maxlen=_TEXTS)
        said.append((at, words if len(words) <= _TEXT else words[: _TEXT - 1] + "…"))

    def _key(self, series: str) -> int | None:
        for key in range(len(self._ids), len(self.series)):
            self._ids[self.series[key]] = key
        return self._ids.get(series)


class _Ring:
    """The last `size` points at least, twice as many at most: trimmed in one go."""

    __slots__ = ("_at", "_number", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = array("q")
        self._number = array("d")

    def add(self, at: int, number: float) -> None:
        self._at.append(at)
        self._number.append(number)
        if len(self._at) >= 2 * self._size:
            del self._at[: self._size]
            del self._number[: self._size]

    def last(self, count: int) -> list[tuple[int, float]]:
        """By time; of two points at one time (a repeat) the later arrival."""
        return sorted(dict(zip(self._at, self._number, strict=True)).items())[-count:]
