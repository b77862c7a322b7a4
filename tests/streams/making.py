"""What tests of streams are made of: manifests, points, and a store that keeps what a batch would."""

from __future__ import annotations

from typing import Any

from streams.pipeline import Pipeline
from streams.query import Query
from streams.result import Result
from streams.streams import Streams
from twins.exchange import Event, Point
from twins.schema import decode

SECOND = 1_000_000
START = 1_795_255_200_000_000


def query(name: str = "q", namespace: str = "default", **spec: Any) -> Query:
    """A query over the property `t` of every device, with parts of its spec changed."""
    whole: dict[str, Any] = {"from": [{"property": "t"}]} | spec
    if "align" not in whole:
        whole = {"window": {"tumbling": "10s"}, "aggregates": ["n", "mean"]} | whole
    return decode({"metadata": {"name": name, "namespace": namespace}, "spec": whole}, Query, "test")


def pipeline(*steps: dict[str, Any], name: str = "p", **spec: Any) -> Pipeline:
    """A pipeline of these steps over the property `t` of every device."""
    whole = {"from": [{"property": "t"}], "steps": list(steps)} | spec
    return decode({"metadata": {"name": name}, "spec": whole}, Pipeline, "test")


def point(at: float, value: float | str | None, *, device: str = "d1", name: str = "t", seq: int = 0) -> Point:
    """A point `at` seconds after the start."""
    number, text = (None, value) if isinstance(value, str) else (value, None)
    return Point(f"default/{device}/{name}", START + round(at * SECOND), seq, number, text)


class Bench:
    """Streams with what they would have written: `crash` begins anew from what was committed."""

    def __init__(self, *manifests: Query | Pipeline) -> None:
        self.manifests = {(m.kind, m.id): m for m in manifests}
        self.rows: dict[str, bytes] = {}
        self.timers: dict[str, int] = {}
        self.points: list[Point] = []
        self.events: list[Event] = []
        self.streams = Streams(lambda: b"secret")
        self.results: list[Result] = []
        self._fresh: list[Point] = []
        self._told: list[Result] = []
        self.now = START
        for manifest in manifests:
            self.apply(manifest)

    def apply(self, manifest: Query | Pipeline) -> None:
        self._told += self.streams.apply(manifest, self.now, self._fresh)
        self.manifests[manifest.kind, manifest.id] = manifest
        self.commit()

    def take(self, *points: Point, now: float | None = None) -> list[Result]:
        """Points that arrive now, in one batch each with what they lead to; `now` in seconds after the start."""
        if now is not None:
            self.now = START + round(now * SECOND)
        before = len(self.results)
        for each in points:
            self._told += self.streams.take(each, self.now, self._fresh)
        self.commit()
        return self.results[before:]

    def pend(self, each: Point) -> None:
        """A point in the batch that is not committed yet."""
        self._told += self.streams.take(each, self.now, self._fresh)

    def until(self, now: float) -> list[Result]:
        """Time passes, and timers that are due are told."""
        end = START + round(now * SECOND)
        before = len(self.results)
        while due := [(when, name) for name, when in self.timers.items() if when <= end]:
            when, name = min(due)
            self.now = max(self.now, when)
            del self.timers[name]
            self._told += self.streams.expire(name, self.now, self._fresh)
            self.commit()
        self.now = end
        return self.results[before:]

    def commit(self) -> None:
        written = self.streams.changes()
        for kept, changed in ((self.rows, written.rows), (self.timers, written.timers)):
            for key, value in changed.items():
                if value is None:
                    kept.pop(key, None)
                else:
                    kept[key] = value  # type: ignore[index,assignment]
        self.events += written.events
        self.points += self._fresh
        self.results += self._told
        self._fresh, self._told = [], []

    def crash(self) -> None:
        """What was not committed is lost; the rest is found again."""
        self._fresh, self._told = [], []
        self.streams = Streams(lambda: b"secret")
        assert self.streams.restore(self.manifests.values(), dict(self.rows), self.now) == []
        self.commit()

    def stored(self, series: str) -> list[tuple[float, float | str | None]]:
        """Points of a series, in seconds after the start; of one time the one with the highest sequence."""
        newest: dict[int, Point] = {}
        for each in self.points:
            if each.series == series and (each.at not in newest or newest[each.at].seq <= each.seq):
                newest[each.at] = each
        return [((at - START) / SECOND, p.number if p.text is None else p.text) for at, p in sorted(newest.items())]
