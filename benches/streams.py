"""What does a query cost per point, in process and with what the batch has to write, over 1,000 series?

Each round is one point of every series, one batch of them the way the sequencer makes it: `take` for each point, then
`changes`. Beside it: what a point costs that nobody looks at, and the sequencer's turn with and without a query.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from benches.figures import Figure, rate, show
from benches.messages import joined, updates
from gateway.chains import Chains
from gateway.timers import Timers
from gateway.turn import Counts, Turn
from gateway.waits import Waits
from gateway.watch import Watch
from rules.rules import Rules
from runtime.clock import SystemClock
from streams.pipeline import Pipeline
from streams.query import Query
from streams.streams import Manifest, Streams
from twins.exchange import Point
from twins.schema import decode
from twins.stimuli import Updated

SERIES = 1_000
TOGETHER = 250
"""Points of one batch."""
FEW = 50
"""Series, and rounds, of a quick run."""
START = 1_795_255_200_000_000
SECOND = 1_000_000
FROM: list[dict[str, Any]] = [{"device": "sensor-*", "property": "t"}]
BASIC = ["n", "mean", "min", "max"]


def query(name: str, **spec: Any) -> Query:
    return decode({"metadata": {"name": name}, "spec": {"from": FROM} | spec}, Query, name)


def pipeline(*steps: dict[str, Any]) -> Pipeline:
    return decode({"metadata": {"name": "p"}, "spec": {"from": FROM, "steps": list(steps)}}, Pipeline, "p")


def manifests() -> dict[str, Manifest]:
    """What is measured."""
    minute = {"window": {"tumbling": "1m"}, "aggregates": BASIC, "outOfOrder": "5s"}
    align = {"align": {"every": "1s", "method": "linear", "maxGap": "5s"}, "key": "all"}
    return {
        "tumbling 1 m, a key a series": query("a", **minute),
        "tumbling 1 m, all in one": query("b", key="all", **minute),
        "tumbling 1 m, with p95": query("c", **minute | {"aggregates": [*BASIC, "p95"]}),
        "tumbling 1 m, with where and value": query("d", where="value > -50.0", value="value * 1.8 + 32.0", **minute),
        "hopping 5 m every 1 m": query("e", **minute | {"window": {"hopping": {"size": "5m", "every": "1m"}}}),
        "sliding 30 s": query("f", **minute | {"window": {"sliding": "30s"}}),
        "session 30 s": query("g", **minute | {"window": {"session": "30s"}}),
        "count 60": query("h", **minute | {"window": {"count": {"size": 60}}}),
        "aligned, 1 s, linear": query("i", **align),
        "pipeline: scale, clip, deadband": pipeline(
            {"scale": {"factor": 0.1}}, {"clip": {"min": 0}}, {"deadband": {"by": 0.01}}
        ),
        "pipeline: lttb 10 s": pipeline({"sample": {"every": "10s"}}),
    }


class Feed:
    """Points of all series, a second apart, without end."""

    def __init__(self, manifest: Manifest | None, name: str, series: int) -> None:
        self._streams = Streams()
        if manifest is not None:
            self._streams.apply(manifest, START, [])
        self._series = [f"default/sensor-{n}/{name}" for n in range(series)]
        self._at = START
        self.points = 0
        self.bytes = 0

    def round(self, *, written: bool = True) -> int:
        """One point of each series; how many."""
        self._at += SECOND
        at, streams = self._at, self._streams
        for first in range(0, len(self._series), TOGETHER):
            stored: list[Point] = []
            for number, series in enumerate(self._series[first : first + TOGETHER], first):
                streams.take(Point(series, at + number, at, 20.0 + (at // SECOND + number) % 17 / 10, None), at, stored)
            if written:
                rows = streams.changes().rows
                self.bytes += sum(len(body or b"") for body in rows.values())
        self.points += len(self._series)
        return len(self._series)


def per_point(manifest: Manifest | None, rounds: int, name: str = "t", *, written: bool = True) -> tuple[float, float]:
    """Microseconds of processor time and bytes of rows a point, less what it costs to make the point."""
    feed = Feed(manifest, name, SERIES if rounds > FEW else FEW)
    for _ in range(70):  # windows are open, series are known
        feed.round()
    feed.bytes = feed.points = 0
    cost = _cost(lambda: feed.round(written=written), rounds)
    return max(0.0, cost - _cost(_make, rounds)), feed.bytes / feed.points


def _cost(work: Callable[[], int], rounds: int) -> float:
    """Processor time of one item, in microseconds: the best of three parts, noise only slows."""
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        done = sum(work() for _ in range(rounds // 3))
        best = min(best, (time.process_time() - began) / done)
    return best * 1e6


def _make() -> int:
    for number in range(SERIES):
        Point("default/sensor-1/t", START + number, START, 20.0 + (START // SECOND + number) % 17 / 10, None)
    return SERIES


def _turns(fresh: list[Updated], manifest: Manifest | None) -> int:
    """The sequencer's turn over four values a message, of which a query looks at one."""
    streams = Streams()
    if manifest is not None:
        streams.apply(manifest, 0, [])
    twins, rules, timers, counts = joined(100), Rules(), Timers(SystemClock()), Counts()
    for start in range(0, len(fresh), 64):
        turn = Turn(twins, rules, streams, timers, Waits(), Chains(), Watch(), counts)
        for stimulus in fresh[start : start + 64]:
            turn.take((stimulus,))
        turn.close()
    return len(fresh)


def main(quick: bool = False) -> list[Figure]:
    """Costs a point on one core."""
    seconds, rounds = (0.2, 6) if quick else (1.5, 90)
    unseen, _ = per_point(query("u", window={"tumbling": "1m"}, aggregates=BASIC), rounds, "u")
    figures = [Figure("streams: a series that no query looks at", unseen, "us")]
    for name, manifest in manifests().items():
        cost, _ = per_point(manifest, rounds, written=False)
        whole, size = per_point(manifest, rounds)
        figures.append(Figure(f"streams: {name}", cost, "us", "a few"))
        figures.append(Figure(f"streams: {name}, with its rows", whole, "us"))
        figures.append(Figure(f"streams: {name}, rows", size, "B"))
    looks = query("a", window={"tumbling": "1m"}, aggregates=BASIC, **{"from": [{"property": "temperature"}]})
    fresh = updates(5000, 100)
    figures.append(Figure("streams: turns without a query", rate(lambda: _turns(fresh, None), seconds), "msg/s"))
    figures.append(Figure("streams: turns with a query", rate(lambda: _turns(fresh, looks), seconds), "msg/s"))
    show("streams: points through one query, 1,000 series, 250 points a batch", figures)
    return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
