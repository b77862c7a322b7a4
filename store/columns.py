"""Points as columns: how a commit's points lie in `state.db`, and how they wait in memory until they are sealed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from twins.exchange import EARLIEST, LATEST, Point

_INT64 = 1 << 63


class Columns:
    """Points in order of arrival, 28 bytes each, texts apart. `series` holds numbers of the journal's dictionary.

    `number` is NaN where a point has none (a reading of NaN is none). `at` is kept within the years 1 to 9999,
    `seq` modulo 2⁶⁴ as a signed integer.
    """

    __slots__ = ("at", "number", "seq", "series", "text")

    def __init__(self) -> None:
        self.series = array("I")
        self.at = array("q")
        self.seq = array("q")
        self.number = array("d")
        self.text: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of(cls, points: Sequence[Point], ids: Mapping[str, int]) -> Columns:
        """The columns of `points`; `ids` knows every name."""
        columns = cls()
        columns.series = array("I", [ids[point.series] for point in points])
        columns.at = _times([point.at for point in points])
        columns.seq = _seqs([point.seq for point in points])
        columns.number = array("d", [math.nan if point.number is None else point.number for point in points])
        columns.text = {index: point.text for index, point in enumerate(points) if point.text is not None}
        return columns

    @classmethod
    def unpack(cls, blob: bytes) -> Columns:
        """The inverse of `pack`; raises msgspec.DecodeError or ValueError when the blob is damaged."""
        series, at, seq, number, text = _decoder.decode(blob)
        columns = cls()
        columns.series.frombytes(series)
        columns.at.frombytes(at)
        columns.seq.frombytes(seq)
        columns.number.frombytes(number)
        columns.text = text
        if not len(columns.series) == len(columns.at) == len(columns.seq) == len(columns.number):
            message = "columns of unequal length"
            raise ValueError(message)
        return columns

    def pack(self) -> bytes:
        """One blob, in this machine's byte order: it never leaves the machine."""
        columns = (self.series.tobytes(), self.at.tobytes(), self.seq.tobytes(), self.number.tobytes(), self.text)
        return _encoder.encode(columns)

    def extend(self, other: Columns) -> None:
        """Append the points of `other`."""
        base = len(self)
        self.series.extend(other.series)
        self.at.extend(other.at)
        self.seq.extend(other.seq)
        self.number.extend(other.number)
        if other.text:
            self.text.update((base + index, text) for index, text in other.text.items())

    def copy(self) -> Columns:
        """These points, unmoved by what is appended here later."""
        columns = Columns()
        columns.extend(self)
        return columns

    def points(self, names: Sequence[str]) -> Iterator[Point]:
        """The points again, with `names[id]` as their series."""
        for index, (series, at, seq, number) in enumerate(
            zip(self.series, self.at, self.seq, self.number, strict=True),
        ):
            yield Point(names[series], at, seq, None if math.isnan(number) else number, self.text.get(index))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[bytes, bytes, bytes, bytes, dict[int, str]])


# A wild integer from outside must not stop the journal: it is made to fit.


def fitted_time(at: int) -> int:
    """Microseconds within the years 1 to 9999, the nearest if they are not."""
    return max(EARLIEST, min(LATEST, at))


def fitted(number: int) -> int:
    """A whole number modulo 2⁶⁴ as a signed integer."""
    return (number + _INT64) % (2 * _INT64) - _INT64


def _times(values: list[int]) -> array[int]:
    if values and (min(values) < EARLIEST or max(values) > LATEST):
        values = list(map(fitted_time, values))
    return array("q", values)


def _seqs(values: list[int]) -> array[int]:
    try:
        return array("q", values)
    except OverflowError:
        return array("q", map(fitted, values))
