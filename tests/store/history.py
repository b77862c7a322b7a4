"""A history on disk and in memory, small and full of corners, and the rows of it that a naive reader sees."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.columns import Columns
from store.segment import Kind, Segment, sidecar
from store.sql.query import answer
from store.sql.question import Known, Question
from store.sql.sources import Sources
from store.table import TIME, tabulate
from twins.exchange import Point

START = 1_795_255_200_000_000
"""2026-11-21 10:00 UTC."""
MINUTE = 60_000_000
WIDTHS: dict[Kind, int] = {"1m": MINUTE, "1h": 60 * MINUTE}
SERIES = ("default/t-1/temperature", "default/t-1/mode", "default/t-2/temperature", "plant/p-1/flow", "plant/p-1/a/b")


def columns(points: Sequence[Point]) -> tuple[Columns, list[str]]:
    names = sorted({point.series for point in points})
    return Columns.of(points, {name: key for key, name in enumerate(names)}), names


def rolled(points: Sequence[Point], width: int, node: str) -> pa.Table:
    """Rollups as they are agreed on, made the slow way."""
    buckets: dict[tuple[str, int], list[Point]] = defaultdict(list)
    for point in points:
        if point.number is not None and not math.isnan(point.number):
            buckets[point.series, point.at // width * width].append(point)
    rows = []
    for (series, time), among in sorted(buckets.items()):
        numbers = [point.number for point in among]
        mean = math.fsum(numbers) / len(numbers)
        first = min((point.at, point.number) for point in among)
        last = max((point.at, point.number) for point in among)
        spread = math.fsum((number - mean) ** 2 for number in numbers)
        ends = (min(numbers), max(numbers), first[1], first[0], last[1], last[0])
        rows.append((time, node, *series.split("/", 2), len(numbers), math.fsum(numbers), *ends, spread))
    names = ["time", "node", "namespace", "device", "property", "n", "sum", "min", "max"]
    names += ["first", "first_at", "last", "last_at", "m2"]
    table = pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})
    for name in ("time", "first_at", "last_at"):
        place = names.index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.int64()).cast(TIME))
    return table


class History:
    """Segments in a folder, some with rollups, and points in memory; `ask` in this very process."""

    def __init__(self, folder: Path, node: str = "edge-1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.node = node
        self.points: list[Point] = []
        self.segments: list[Segment] = []
        self.sources = Sources(node, folder / "state.db", folder, 256)
        self._version = 0

    def seal(self, points: Sequence[Point], *, rollups: Sequence[Kind] = ("1m", "1h"), kind: Kind = "points") -> None:
        """A segment of these points."""
        chunk, names = columns(points)
        table = tabulate([chunk], names, self.node, kind)
        name = f"abcd-{kind}-{len(self.segments):012d}.parquet"
        self._write(table, name, kind)
        self.points += points
        for bucket in rollups if kind == "points" else ():
            table = rolled(points, WIDTHS[bucket], self.node)
            if len(table):
                self._write(table, sidecar(name, bucket), bucket)

    def remember(self, points: Sequence[Point]) -> None:
        """These points are in memory, in place of all that were."""
        chunk, names = columns(points)
        self._version += 1
        self.points += points
        self.sources = Sources(self.node, self.folder / "state.db", self.folder, 256)
        self.sources.memory.give(Known(0, 0, [chunk.pack()], names))

    def ask(self, asked: Any, *parameters: Any, limit: int = 100_000, live: Any = None) -> tuple[list[Any], str]:
        """The rows and the plan of what the guard let through."""
        question = Question(asked, parameters, limit, 20.0, live or {}, tuple(self.segments), self._version)
        found, _ = answer(self.sources, question)
        assert hasattr(found, "rows"), found
        return found.rows, found.plan

    def _write(self, table: pa.Table, name: str, kind: Kind) -> None:
        pq.write_table(table, self.folder / name)
        moments = table.column("time").cast(pa.int64()).to_pylist()
        size = (self.folder / name).stat().st_size
        self.segments.append(Segment(name, kind, min(moments), max(moments), len(table), size))


def some_points(chance: random.Random, count: int, first: int, last: int, seq: int = 0) -> list[Point]:
    """Numbers and texts of some series in a span of time, some on the borders of minutes and hours."""
    found = {}
    for number in range(count):
        series = chance.choice(SERIES)
        at = chance.randint(first, last)
        if chance.random() < 0.2:
            at = at // MINUTE * MINUTE + chance.choice((0, 0, MINUTE - 1))
        text = chance.choice("abc") if series.endswith("mode") or chance.random() < 0.05 else None
        value = None if text else chance.choice((1000.0 + chance.gauss(0, 0.01), chance.randint(-5, 5) / 4))
        found[series, at] = Point(series, at, seq + number, value, text)
    return list(found.values())
