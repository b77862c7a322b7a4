"""The streams' side of a turn: points on their way into the batch, and what is made of them, as facts for the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.timers import Timers
from rules.expression import show
from streams.pipeline import Pipeline
from streams.query import Query
from streams.result import Result
from streams.streams import Manifest, Streams
from twins.errors import Rejected, Unavailable
from twins.exchange import Batch, Event, Point
from twins.instructions import Fact
from twins.schema import decode
from twins.stimuli import Applied, Expired, Recorded, Stimulus

KINDS: dict[str, type[Manifest]] = {"Query": Query, "Pipeline": Pipeline}
"""The kinds of manifests that are the streams'."""


class Flow:
    """Of one turn. `runs` says whether there are any; `watches` whether a rule looks at a name."""

    __slots__ = ("_batch", "_streams", "_watches", "runs")

    def __init__(self, streams: Streams, watches: Callable[[str], bool], batch: Batch) -> None:
        self.runs = len(streams) > 0
        self._streams = streams
        self._watches = watches
        self._batch = batch

    def keep(self, point: Point, stimulus: Stimulus) -> Sequence[Fact]:
        """Take a point into the batch, as pipelines leave it and with what queries make of it."""
        if not self.runs:
            self._batch.points.append(point)
            return ()
        made = self._streams.take(point, stimulus.seen, self._batch.points)
        return self._facts(made, stimulus) if made else ()

    def keep_all(self, recorded: Recorded) -> Sequence[Fact]:
        """Take points of the past: they are no facts, but what is made of them may be."""
        if not self.runs:
            self._batch.points += recorded.points
            return ()
        return [fact for point in recorded.points for fact in self.keep(point, recorded)]

    def owns(self, timer: str) -> bool:
        """Whether a timer is the streams'."""
        return self._streams.owns(timer)

    def expire(self, expired: Expired) -> Sequence[Fact]:
        return self._facts(self._streams.expire(expired.timer, expired.seen, self._batch.points), expired)

    def forget(self, device: str, stimulus: Stimulus) -> Sequence[Fact]:
        """A device left."""
        return self._facts(self._streams.forget(device, stimulus.seen, self._batch.points), stimulus)

    def apply(self, applied: Applied) -> Sequence[Fact]:
        """Take a manifest, or its deletion. Raises `Rejected`."""
        streams, points, seen = self._streams, self._batch.points, applied.seen
        if applied.body is None:
            made = streams.remove(applied.kind, applied.name, seen, points)
        else:
            manifest = decode(msgspec.json.decode(applied.body), KINDS[applied.kind], applied.name)
            try:
                made = streams.apply(manifest, seen, points)
            except Unavailable as error:
                raise Rejected(str(error), 503) from None
        self.runs = True  # what was deleted is to be written too
        return self._facts(made, applied)

    def close(self, timers: Timers) -> Sequence[Event]:
        """Write what changed into the batch; what people are to be told."""
        if not self.runs:
            return ()
        changed = self._streams.changes()
        self._batch.streams |= changed.rows
        for timer, due in changed.timers.items():
            timers.set(timer, due, b"", self._batch)
        return changed.events

    def _facts(self, results: Sequence[Result], stimulus: Stimulus) -> Sequence[Fact]:
        return [
            Fact(r.device, stimulus.cause, r.name, _said(r.point), r.point.number, r.point.at, r.point.seq)
            for r in results
            if not r.corrected and self._watches(r.name)
        ]


def _said(point: Point) -> str:
    """The value of a point as twins write it."""
    return show(point.number) if point.text is None and point.number is not None else point.text or ""
