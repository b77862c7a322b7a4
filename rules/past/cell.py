"""Cells of a window in bytes: one value, or several that came so close to each other that they share one."""

from __future__ import annotations

import struct

from twins.tally import Tally

Torn = struct.error
"""What bytes that are no cells raise."""
_ONE = struct.Struct("<qId")
"""A cell: its time, how many values, their sum; of more than one `_MORE` follows."""
_MORE = struct.Struct("<ddddqd")
"""The sum of squared deviations, lowest, highest, first value, time and value of the last."""


def single(at: int, value: float) -> bytes:
    """A cell of one value."""
    return _ONE.pack(at, 1, value)


def packed(cell: Tally) -> bytes:
    """A cell in bytes."""
    at, _, first = cell.first
    if cell.n == 1:
        return single(at, first)
    end, _, last = cell.last
    return _ONE.pack(at, cell.n, cell.total) + _MORE.pack(cell.m2, cell.low, cell.high, first, end, last)


def unpacked(body: bytes, seq: int) -> list[Tally]:
    """The cells of a row, one at least; `seq` is that of the value before them. Raises `Torn`."""
    cells: list[Tally] = []
    place = 0
    while place < len(body) or not cells:
        at, n, total = _ONE.unpack_from(body, place)
        place += _ONE.size
        if n == 1:
            one = (at, seq + 1, total)
            cells.append(Tally(1, total, 0.0, total, total, one, one))
        else:
            m2, low, high, first, end, last = _MORE.unpack_from(body, place)
            place += _MORE.size
            cells.append(Tally(n, total, m2, low, high, (at, seq + 1, first), (end, seq + n, last)))
        seq += n
    return cells
