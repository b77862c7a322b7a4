"""What does a score cost in the turn, by method?"""

from __future__ import annotations

import sys
from functools import partial

import msgspec

from benches.figures import Figure, rate, show
from learning.knowledge import Knowledge
from learning.lesson import BASELINE, Lesson, Version
from learning.norm import Ewma, Norm, Robust, Seasonal, Slot
from twins.exchange import Point

COUNT = 10_000
START = 1_795_255_200_000_000
NORMS: dict[str, Norm] = {
    "robust-z": Robust(20.0, 1.0, 3.5),
    "ewma": Ewma(20.0, 1.0, 0.1, 3.5, 0.0),
    "seasonal-quantiles": Seasonal("1w", tuple(Slot(18.0, 20.0, 22.0, 99) for _ in range(168)), 3.5),
}


def main(quick: bool = False) -> list[Figure]:
    """Points a second on one core."""
    points = [Point("default/d/t", START + n * 1_000_000, n, 19.0 + n % 7 / 3, None) for n in range(COUNT)]
    figures = []
    for name, norm in NORMS.items():
        knowledge = Knowledge("Europe/Vienna")
        knowledge.apply("Baseline", "default/b", holds=True)
        lesson = Lesson("default/b", Version(1, 0, 0, 0, 100, norm))
        knowledge.learn({f"{BASELINE}default/d/t": msgspec.msgpack.encode(lesson)})
        pace = rate(partial(_taken, knowledge, points), 0.3 if quick else 1.5)
        figures.append(Figure(f"scores: {name}", pace, "points/s"))
    show("scores: a point of a series that is known", figures)
    return figures


def _taken(knowledge: Knowledge, points: list[Point]) -> int:
    for point in points:
        knowledge.take(point)
    return len(points)


if __name__ == "__main__":
    main("--quick" in sys.argv)
