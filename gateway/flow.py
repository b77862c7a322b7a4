"""The points' side of a turn: on their way into the batch, and what is made of them, as facts for the rules.

Queries and pipelines come first, then the scores of what they left and made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.timers import Timers
from learning.knowledge import Knowledge
from rules.expression import show
from streams.pipeline import Pipeline
from streams.query import Query
from streams.result import Result
from streams.source import parted
from streams.streams import Manifest, Streams
from twins.errors import Rejected, Unavailable
from twins.exchange import Batch, Event, Point
from twins.instructions import Fact
from twins.schema import decode
from twins.stimuli import Applied, Expired, Learned, Recorded, Stimulus

KINDS: dict[str, type[Manifest]] = {"Query": Query, "Pipeline": Pipeline}
"""The kinds of manifests that are the streams'."""
LEARNED = frozenset(("Baseline", "Forecast", "Tuning"))
"""Those of what is learned."""


class Flow:
    """Of one turn. `runs` says whether there are any; `watches` whether a rule looks at a name."""

    __slots__ = ("_batch", "_knowledge", "_streams", "_watches", "runs")

    def __init__(self, streams: Streams, knowledge: Knowledge, watches: Callable[[str], bool], batch: Batch) -> None:
        self.runs = len(streams) + len(knowledge) > 0
        self._streams = streams
        self._knowledge = knowledge
        self._watches = watches
        self._batch = batch

    def keep(self, point: Point, stimulus: Stimulus) -> Sequence[Fact]:
        """Take a point into the batch, as pipelines leave it and with what queries make of it."""
        if not self.runs:
            self._batch.points.append(point)
            return ()
        return self._passed(point, stimulus)

    def keep_all(self, recorded: Recorded) -> Sequence[Fact]:
        """Take points of the past: they are no facts, but what is made of them may be."""
        if not self.runs:
            self._batch.points += recorded.points
            return ()
        return [fact for point in recorded.points for fact in self._passed(point, recorded, scored=False)]

    def owns(self, timer: str) -> bool:
        """Whether a timer is the streams'."""
        return self._streams.owns(timer)

    def expire(self, expired: Expired) -> Sequence[Fact]:
        start = len(self._batch.points)
        return self._facts(self._streams.expire(expired.timer, expired.seen, self._batch.points), expired, start)

    def forget(self, device: str, stimulus: Stimulus) -> Sequence[Fact]:
        """A device left."""
        start = len(self._batch.points)
        facts = self._facts(self._streams.forget(device, stimulus.seen, self._batch.points), stimulus, start)
        self._knowledge.forget(device)
        return facts

    def learn(self, learned: Learned) -> Sequence[Fact]:
        """Score by this from now on, and keep what is expected."""
        self._knowledge.learn(learned.lessons)
        self._batch.points += learned.points
        self.runs = True
        return [fact for point in learned.points for fact in self._fact(point, learned)]

    def apply(self, applied: Applied) -> Sequence[Fact]:
        """Take a manifest, or its deletion. Raises `Rejected`."""
        self.runs = True  # what was deleted is to be written too
        if applied.kind in LEARNED:
            self._knowledge.apply(applied.kind, applied.name, holds=applied.body is not None)
            return ()
        streams, points, seen = self._streams, self._batch.points, applied.seen
        start = len(points)
        if applied.body is None:
            made = streams.remove(applied.kind, applied.name, seen, points)
        else:
            manifest = decode(msgspec.json.decode(applied.body), KINDS[applied.kind], applied.name)
            try:
                made = streams.apply(manifest, seen, points)
            except Unavailable as error:
                raise Rejected(str(error), 503) from None
        return self._facts(made, applied, start)

    def close(self, timers: Timers) -> Sequence[Event]:
        """Write what changed into the batch; what people are to be told."""
        if not self.runs:
            return ()
        changed = self._streams.changes()
        self._batch.streams |= changed.rows
        self._batch.streams |= self._knowledge.changes()
        for timer, due in changed.timers.items():
            timers.set(timer, due, b"", self._batch)
        return changed.events

    def _passed(self, point: Point, stimulus: Stimulus, *, scored: bool = True) -> Sequence[Fact]:
        points = self._batch.points
        start = len(points)
        made = self._streams.take(point, stimulus.seen, points)
        return self._facts(made, stimulus, start if scored else len(points))

    def _facts(self, results: Sequence[Result], stimulus: Stimulus, start: int) -> Sequence[Fact]:
        """What queries and pipelines made, and the scores of all points of the batch since `start`."""
        facts = [
            Fact(r.device, stimulus.cause, r.name, _said(r.point), r.point.number, r.point.at, r.point.seq)
            for r in results
            if not r.corrected and self._watches(r.name)
        ]
        points, take = self._batch.points, self._knowledge.take
        for point in points[start:]:
            for made in take(point):
                points.append(made)
                facts += self._fact(made, stimulus)
        return facts

    def _fact(self, point: Point, stimulus: Stimulus) -> Sequence[Fact]:
        """A point that was made here, where a rule looks at its name."""
        device, name = parted(point.series)
        if not self._watches(name):
            return ()
        return (Fact(device, stimulus.cause, name, _said(point), point.number, point.at, point.seq),)


def _said(point: Point) -> str:
    """The value of a point as twins write it."""
    return show(point.number) if point.text is None and point.number is not None else point.text or ""
