"""How the ways of a diagram run between its boxes, and where their labels stand.

A way on is a curve through the gap of two columns. A way back runs below: from the bottom of the lowest state of a
column, or through the gap beside it, to a lane of its own, and up again. Within a column neighbours are joined by a
straight line, others by a bracket. A label takes the first of several places that lies on nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from rules.diagram.columns import HEIGHT, Box, width_of
from rules.diagram.way import Way

_LINE = 15
_LANE = 24
_BELOW = 26
_BEND = 9
_OUT = 16
Point = tuple[int, int]
Area = tuple[int, int, int, int]


class Route(Struct, frozen=True):
    """One way as it is drawn: SVG's path, and the middle of the foot of its label."""

    way: Way
    path: str
    x: int
    y: int
    back: bool

    @property
    def area(self) -> Area:
        return _area(self.way.label, self.x, self.y)


class Router:
    """Routes all ways between these boxes; use it once."""

    def __init__(self, boxes: Mapping[str, Box], ways: Sequence[Way]) -> None:
        self._boxes = boxes
        self._ways = ways
        self._ports = _ports(boxes, ways)
        back = [way for way in ways if boxes[way.target].column < boxes[way.source].column]
        self._feet = Counter((way.source, "out") for way in back) + Counter((way.target, "in") for way in back)
        self._turns: Counter[tuple[int, str]] = Counter()
        self._loops: Counter[str] = Counter()
        self._lanes: list[tuple[int, int, int]] = []
        self._taken: list[Area] = [(box.x, box.y, box.right, box.bottom) for box in boxes.values()]

    def routes(self) -> list[Route]:
        """In the order of the manifest; short ways back get the nearer lanes."""
        found: dict[int, Route] = {}
        for number in sorted(range(len(self._ways)), key=self._span):
            way = self._ways[number]
            path, places, back = self._run(number, way)
            x, y = min(places, key=lambda place: self._cost(way.label, place))
            found[number] = Route(way, path, x, y, back)
            self._taken.append(found[number].area)
        return [found[number] for number in range(len(self._ways))]

    def _span(self, number: int) -> int:
        way = self._ways[number]
        start, end = self._boxes[way.source], self._boxes[way.target]
        return start.column - end.column if start.column > end.column else 0

    def _run(self, number: int, way: Way) -> tuple[str, list[Point], bool]:
        """The path, the places for its label from the best on, and whether it leads back."""
        start, end = self._boxes[way.source], self._boxes[way.target]
        if way.source == way.target:
            return (*self._loop(way.source, start), False)
        if end.column > start.column:
            return (*self._on(start.right, self._ports[number, "from"], end.x, self._ports[number, "to"]), False)
        if end.column < start.column:
            return (*self._back(number, way, start, end), True)
        if abs(end.row - start.row) == 1:
            return (*self._beside(way.label, start, end), False)
        return (*self._bracket(number, start), False)

    def _on(self, x1: int, y1: int, x2: int, y2: int) -> tuple[str, list[Point]]:
        bend = (x2 - x1) // 2
        path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
        places = []
        for t in (0.5, 0.38, 0.62, 0.28, 0.72):
            s = 1 - t
            x = s**3 * x1 + 3 * s * s * t * (x1 + bend) + 3 * s * t * t * (x2 - bend) + t**3 * x2
            y = s**3 * y1 + 3 * s * s * t * y1 + 3 * s * t * t * y2 + t**3 * y2
            places += [(round(x), round(y) - 5), (round(x), round(y) + 15)]
        return path, places

    def _back(self, number: int, way: Way, start: Box, end: Box) -> tuple[str, list[Point]]:
        first: list[Point]
        last: list[Point]
        if start.last:
            x1 = start.centre + self._foot(way.source, "out")
            first = [(x1, start.bottom)]
        else:
            y1, x1 = self._ports[number, "from"], start.right + _OUT + _BEND * self._turn(start.column, "gap")
            first = [(start.right, y1), (x1, y1)]
        if end.last:
            x2 = end.centre - self._foot(way.target, "in")
            last = [(x2, end.bottom)]
        else:
            y2, x2 = self._ports[number, "to"], end.x - _OUT - 8 - _BEND * self._turn(end.column - 1, "gap")
            last = [(x2, y2), (end.x, y2)]
        low = self._lane(x2, x1, range(end.column, start.column + 1))
        middle = (x1 + x2) // 2
        places = [(middle, low - 4), (middle, low + 14), ((middle + x1) // 2, low - 4), ((middle + x2) // 2, low - 4)]
        return _rounded([*first, (x1, low), (x2, low), *last]), places

    def _foot(self, name: str, end: str) -> int:
        """How far from its middle the next way meets the bottom of a box: all of them find room on their half of it."""
        box, count = self._boxes[name], self._feet[name, end]
        step = min(12, (box.width // 2 - 20) // max(1, count - 1))
        return 12 + step * self._turn(box.column, f"{end} {box.row}")

    def _lane(self, left: int, right: int, columns: range) -> int:
        """The height of a lane below these columns that crosses no other."""
        low = max(box.bottom for box in self._boxes.values() if box.column in columns) + _BELOW
        while any(abs(low - y) < _LANE and left < x2 + 8 and x1 - 8 < right for x1, x2, y in self._lanes):
            low += _LANE
        self._lanes.append((left, right, low))
        return low

    def _beside(self, label: str, start: Box, end: Box) -> tuple[str, list[Point]]:
        down = end.row > start.row
        shift = 13 + 12 * self._turn(start.column, f"{min(start.row, end.row)} {down}")
        x = start.centre - shift if down else start.centre + shift
        y1, y2 = (start.bottom, end.y) if down else (start.y, end.bottom)
        half = width_of(label) // 2 + 6
        sides = (x - half, x + half) if down else (x + half, x - half)
        return f"M{x} {y1}V{y2}", [(aside, (y1 + y2) // 2 + step) for aside in sides for step in (4, -9, 18)]

    def _bracket(self, number: int, start: Box) -> tuple[str, list[Point]]:
        """Out to the right of the column and in again."""
        y1, y2 = self._ports[number, "from"], self._ports[number, "to"]
        x = start.right + _OUT + _BEND * self._turn(start.column, "gap")
        label = width_of(self._ways[number].label)
        places = [(x + 6 + label // 2, y1 + (y2 - y1) * part // 8) for part in (4, 3, 5, 2, 6)]
        return _rounded([(start.right, y1), (x, y1), (x, y2), (start.right, y2)]), places

    def _loop(self, name: str, box: Box) -> tuple[str, list[Point]]:
        self._loops[name] += 1
        number = self._loops[name] - 1
        x, y, high = box.x + 26 + 30 * number, box.y, 34
        path = f"M{x - 12} {y}C{x - 18} {y - high} {x + 18} {y - high} {x + 12} {y}"
        return path, [(x, y - high * 3 // 4 - 3 - _LINE * up) for up in range(3)]

    def _turn(self, column: int, where: str) -> int:
        """How many turned here before."""
        self._turns[column, where] += 1
        return self._turns[column, where] - 1

    def _cost(self, label: str, place: Point) -> int:
        """How much of it would lie on something else."""
        area = _area(label, *place)
        return sum(_common(area, taken) for taken in self._taken)


def _ports(boxes: Mapping[str, Box], ways: Sequence[Way]) -> dict[tuple[int, str], int]:
    """The height at which each way leaves and enters a side of a box: spread, in the order of their other ends."""
    sides: dict[tuple[str, str], list[tuple[int, int, str]]] = defaultdict(list)
    for number, name, side, other, end in _ends(boxes, ways):
        sides[name, side].append((other, number, end))
    ports = {}
    for (name, _), ends in sides.items():
        room = HEIGHT // (len(ends) + 1)
        for place, (_, number, end) in enumerate(sorted(ends), 1):
            ports[number, end] = boxes[name].y + place * room
    return ports


def _ends(boxes: Mapping[str, Box], ways: Sequence[Way]) -> Iterator[tuple[int, str, str, int, str]]:
    """Number of the way, box, side, height of the other end, and which end it is: of all ends at a side of a box."""
    for number, way in enumerate(ways):
        start, end = boxes[way.source], boxes[way.target]
        if end.column > start.column:
            yield number, way.source, "right", end.middle, "from"
            yield number, way.target, "left", start.middle, "to"
        elif end.column < start.column:
            if not start.last:
                yield number, way.source, "right", 1 << 20, "from"
            if not end.last:
                yield number, way.target, "left", 1 << 20, "to"
        elif abs(end.row - start.row) > 1:
            yield number, way.source, "right", end.middle, "from"
            yield number, way.target, "right", start.middle, "to"


def _rounded(points: Sequence[Point]) -> str:
    """Lines along the axes with round corners."""
    path = f"M{points[0][0]} {points[0][1]}"
    for (x0, y0), (x, y), (x1, y1) in zip(points, points[1:], points[2:], strict=False):
        before, after = _towards((x, y), (x0, y0)), _towards((x, y), (x1, y1))
        path += f"L{before[0]} {before[1]}Q{x} {y} {after[0]} {after[1]}"
    return f"{path}L{points[-1][0]} {points[-1][1]}"


def _towards(corner: Point, other: Point) -> Point:
    x, y = (max(-_BEND, min(_BEND, (there - here) // 2)) for here, there in zip(corner, other, strict=True))
    return corner[0] + x, corner[1] + y


def _area(label: str, x: int, y: int) -> Area:
    half = width_of(label) // 2
    return x - half, y - _LINE + 3, x + half, y + 3


def _common(one: Area, other: Area) -> int:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0
