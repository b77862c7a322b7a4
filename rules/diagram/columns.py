"""Where the states of a diagram stand: a column per distance from the initial state, so that every way on goes one
column to the right, and in each column in an order that crosses few ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from rules.diagram.way import Way, short

HEIGHT = 46
_DOWN = 62
_NARROWEST, _WIDEST = 104, 250
_LETTER, _SMALL = 9, 7
"""Widths of a letter of a state's name, and of a label."""
_GAP = 84
_BUS = 10
"""Room between two ways that run beside each other."""
_SWEEPS = 8


class Box(Struct, frozen=True):
    """A state: where it stands, and its column and row."""

    x: int
    y: int
    width: int
    column: int
    row: int
    last: bool
    """The lowest of its column."""

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + HEIGHT

    @property
    def centre(self) -> int:
        return self.x + self.width // 2

    @property
    def middle(self) -> int:
        return self.y + HEIGHT // 2


def width_of(label: str) -> int:
    """Of a label, about."""
    return _SMALL * len(label)


def place(states: Sequence[str], initial: str, ways: Sequence[Way]) -> dict[str, Box]:
    """A box for each state, those too that no way leads to: they stand in the first column."""
    columns = _columns(states, initial, ways)
    for _ in range(_SWEEPS):
        _sort(columns, ways)
    at = {name: number for number, column in enumerate(columns) for name in column}
    boxes: dict[str, Box] = {}
    x = 0
    for number, column in enumerate(columns):
        width = max(min(_WIDEST, max(_NARROWEST, _LETTER * len(short(name)) + 32)) for name in column)
        top = -(len(column) * (HEIGHT + _DOWN) - _DOWN) // 2
        for row, name in enumerate(column):
            y = top + row * (HEIGHT + _DOWN)
            boxes[name] = Box(x, y, width, number, row, row == len(column) - 1)
        x += width + _gap(number, ways, at)
    return boxes


def _columns(states: Sequence[str], initial: str, ways: Sequence[Way]) -> list[list[str]]:
    """By distance from the initial state."""
    columns = [[initial]]
    placed = {initial}
    while columns[-1]:
        following = [way.target for name in columns[-1] for way in ways if way.source == name]
        columns.append([name for name in dict.fromkeys(following) if name not in placed])
        placed.update(columns[-1])
    columns.pop()
    columns[0] += [name for name in states if name not in placed]
    return columns


def _sort(columns: list[list[str]], ways: Sequence[Way]) -> None:
    """Move each state towards the middle of those it has ways from and to."""
    for number, column in enumerate(columns):
        rows = {name: row - (len(each) - 1) / 2 for each in columns for row, name in enumerate(each)}
        wanted = {name: _mean(name, rows, ways) for name in column}
        columns[number] = sorted(column, key=wanted.__getitem__)


def _mean(name: str, rows: Mapping[str, float], ways: Sequence[Way]) -> float:
    """A way counts once at each end; one that ends here is what was there before."""
    others = [rows[way.target] for way in ways if way.source == name != way.target]
    others += [rows[way.source] for way in ways if way.target == name != way.source]
    return (sum(others) + rows[name]) / (len(others) + 1)


def _gap(number: int, ways: Sequence[Way], at: Mapping[str, int]) -> int:
    """Room to the right of a column: for the labels that stand there, and the ways that turn there."""
    on = [way for way in ways if at[way.source] == number and at[way.target] == number + 1]
    turning = [
        way for way in ways if at[way.source] >= at[way.target] and number in (at[way.source], at[way.target] - 1)
    ]
    within = [way for way in ways if at[way.source] == number == at[way.target] and way.source != way.target]
    labels = max((width_of(way.label) for way in [*on, *within]), default=0)
    return max(_GAP, labels + 56) + _BUS * min(6, len(turning))
