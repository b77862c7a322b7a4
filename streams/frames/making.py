"""How results are made of a tally."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from streams.frames.running import tallies
from twins.sketch import Sketch
from twins.tally import Tally, Value, aggregate, is_quantile, tally_of

_FEW = 8
"""Windows that are added up anew each."""


class Making:
    """The aggregates of one query."""

    def __init__(self, names: Sequence[str]) -> None:
        self._aggregates = [(name, found) for name in names if (found := aggregate(name)) is not None]
        self._sketch = any(map(is_quantile, names))
        self._spread = "spread" in names

    def empty(self) -> Tally:
        return Tally(sketch=Sketch() if self._sketch else None)

    def tallies(self, values: Sequence[Value], spans: Sequence[tuple[int, int]]) -> Iterator[Tally]:
        """The tallies of `values[start:end]`, each of which begins and ends no earlier than the one before."""
        if len(spans) > _FEW:
            yield from tallies(values, spans, spread=self._spread, sketch=self._sketch)
            return
        for start, end in spans:
            yield tally_of(values[start:end], spread=self._spread, sketch=self._sketch)

    def merged(self, tallies: Sequence[Tally]) -> Tally:
        """One of several, which stay as they are."""
        if len(tallies) == 1:
            return tallies[0]
        whole = self.empty()
        for each in tallies:
            whole.merge(each)
        return whole

    def values(self, tally: Tally) -> list[tuple[str, float]]:
        """The aggregates by name; those that are no finite number are left out."""
        made = ((name, make(tally)) for name, make in self._aggregates)
        return [(name, value) for name, value in made if value is not None and math.isfinite(value)]


read_tally = msgspec.msgpack.Decoder(Tally).decode
