"""One pipeline at work: points of each of its series through the steps, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from streams.pipeline import PLACE, Pipeline
from streams.result import Offers
from streams.sampling import Item
from streams.source import Pattern, Source, parted
from streams.steps import Secret, work_of
from twins.duration import microseconds
from twins.exchange import Point

PREFIX = "pipeline:"
"""What the rows and the timer of a pipeline begin with."""


class Strand:
    """A series in a pipeline: what each step remembers, and when it was heard last."""

    __slots__ = ("device", "memories", "name", "seen", "series", "to")

    def __init__(self, series: str, to: str, memories: list[Any], seen: int) -> None:
        self.series = series
        self.device, self.name = parted(series)
        self.to = to
        self.memories = memories
        self.seen = seen


class Chain:
    """Owns the strands of one pipeline. `due` is when `expire` wants to be called."""

    def __init__(self, pipeline: Pipeline, secret: Secret) -> None:
        spec = pipeline.spec
        self.pipeline = pipeline
        self.id = pipeline.id
        self.due: int | None = None
        self.strands: dict[str, Strand] = {}
        self.offers = Offers()
        self._works = [work_of(step, secret) for step in spec.steps]
        namespace = pipeline.metadata.namespace
        self._patterns = [Pattern(Source(each.device, each.property), namespace) for each in spec.sources]
        self._holds = [microseconds(step.sample.hold) for step in spec.steps if step.sample is not None]
        self._remembers = any(work.fresh() is not None for work in self._works)
        self._changed: dict[str, Strand | None] = {}

    @property
    def replaces(self) -> bool:
        """Whether what comes out is kept in place of what came in."""
        return self.pipeline.spec.to is None

    @property
    def held(self) -> int:
        """Points that wait in it."""
        return sum(map(self._held, self.strands.values())) if self._holds else 0

    def strand(self, series: str, now: int) -> Strand | None:
        """The way of a series through this pipeline, if it is meant."""
        known = self.strands.get(series)
        if known is None:
            device, name = parted(series)
            if not any(pattern.fits(device, name) for pattern in self._patterns):
                return None
            known = self.strands[series] = self._strand(series, [work.fresh() for work in self._works], now)
        return known

    def take(self, strand: Strand, point: Point, now: int) -> list[Point]:
        """What comes out when a point goes in."""
        held = self._held(strand) if self._holds else 0
        out = self._through(strand, [(point, False)], 0)
        if self._remembers:
            strand.seen = now
            self._changed[strand.series] = strand
        self.offers.offered += 1
        if self._holds:
            waiting = self._held(strand)
            if waiting and self.due is None:
                self.due = now + max(self._holds)
            held = waiting - held
        self.offers.dropped += 1 - held - len(out)
        return self._told(strand, out)

    def expire(self, now: int) -> list[Point]:
        """Let go what waits in series that are silent."""
        out: list[Point] = []
        hold = max(self._holds, default=0)
        for strand in self.strands.values():
            if self._held(strand) and strand.seen + hold <= now:
                out += self._flushed(strand)
        waiting = [strand.seen + hold for strand in self.strands.values() if self._held(strand)]
        self.due = min(waiting, default=None)
        return out

    def flush(self) -> list[Point]:
        """Let go all that waits: the pipeline changes, or goes."""
        return [point for strand in self.strands.values() for point in self._flushed(strand)]

    def rows(self) -> Iterator[tuple[str, bytes | None]]:
        """What is to be written of the strands that changed since the last call."""
        for series, strand in self._changed.items():
            yield self._row(series), None if strand is None else _encode((strand.seen, strand.memories))
        self._changed.clear()

    def adopt(self, older: Chain) -> None:
        """Go on with the strands of an older self that has the same steps."""
        self.due = older.due
        for series, strand in older.strands.items():
            self.strands[series] = self._strand(series, strand.memories, strand.seen)
        self._changed = dict(older._changed)

    def restore(self, rows: Mapping[str, bytes], now: int) -> int:
        """Take up strands as they were written; the number of those that could not be read, which begin anew."""
        lost = 0
        for row, body in rows.items():
            series = row.removeprefix(f"{PREFIX}{self.id}/")
            try:
                _, raws = _decode(body)
                memories = [work.read(bytes(raw)) for work, raw in zip(self._works, raws, strict=True)]
            except (msgspec.MsgspecError, ValueError):
                lost += 1
                self._changed[series] = None
            else:
                self.strands[series] = self._strand(series, memories, now)
        if self.held:
            self.due = now + max(self._holds)
        return lost

    def drop(self) -> Iterator[str]:
        """The rows to delete with it."""
        if self._remembers:
            yield from (self._row(series) for series in self.strands)

    def forget(self, device: str) -> list[Point]:
        """A device left: let go what waits of it."""
        out: list[Point] = []
        for series in [series for series, strand in self.strands.items() if strand.device == device]:
            out += self._flushed(self.strands[series])
            del self.strands[series]
            if self._remembers:
                self._changed[series] = None
        return out

    def _strand(self, series: str, memories: list[Any], now: int) -> Strand:
        device, name = parted(series)
        to = self.pipeline.spec.to
        return Strand(series, series if to is None else f"{device}/{to.replace(PLACE, name)}", memories, now)

    def _through(self, strand: Strand, items: list[Item], first: int) -> list[Item]:
        for number in range(first, len(self._works)):
            if not items:
                return items
            work, memory = self._works[number], strand.memories[number]
            if len(items) == 1:
                items = work.take(memory, items[0], strand.device, strand.name)
            else:
                items = [out for item in items for out in work.take(memory, item, strand.device, strand.name)]
        return items

    def _flushed(self, strand: Strand) -> list[Point]:
        held = self._held(strand)
        out: list[Item] = []
        for number, work in enumerate(self._works):
            out += self._through(strand, work.flush(strand.memories[number]), number + 1)
        if held:
            self._changed[strand.series] = strand
            self.offers.dropped += held - len(out)
        return self._told(strand, out)

    def _told(self, strand: Strand, items: Sequence[Item]) -> list[Point]:
        out: list[Point] = []
        for point, changed in items:
            if changed:
                self.offers.changed += 1
            else:
                self.offers.kept += 1
            same = strand.to == point.series
            out.append(point if same else Point(strand.to, point.at, point.seq, point.number, point.text))
        return out

    def _held(self, strand: Strand) -> int:
        return sum(work.held(memory) for work, memory in zip(self._works, strand.memories, strict=True))

    def _row(self, series: str) -> str:
        return f"{PREFIX}{self.id}/{series}"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, list[msgspec.Raw]]).decode
