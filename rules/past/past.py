"""All that one instance remembers of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from rules.manifest.form import Scalar
from rules.past.call import WINDOWED, Call
from rules.past.span import Span
from twins.tally import AGGREGATES

PREFIX = "window:"
"""What the key of a row on disk begins with: the instance's key, `#` and the row's name follow."""


_SUMS = {"avg", "sum", "count"}


class Mark(Struct, array_like=True):
    """The last value of an input, when it was taken, and the value before."""

    value: Scalar
    at: int
    before: Scalar | None = None


class Past:
    """Windows and marks by input; rows on disk by name: `input` of a mark, `input/size/number` of a window."""

    __slots__ = ("_gone", "_marked", "_marks", "_raw", "_spans")

    def __init__(self, rows: Mapping[str, bytes] | None = None) -> None:
        """`rows` are those found on disk; they wait for `ask`."""
        self._raw = dict(rows or {})
        self._gone: set[str] = set()
        self._marks: dict[str, Mark | None] = {}
        self._marked: set[str] = set()
        self._spans: dict[str, dict[int, Span]] = {}

    def ask(self, calls: Iterable[Call]) -> None:
        """Remember what these calls need and nothing else, with what is known of it already."""
        known = self.rows()
        self._raw, self._marks, self._spans, self._marked = {}, {}, {}, set()
        for call in calls:
            if not call.size:
                self._marks[call.input] = None
            elif (spans := self._spans.setdefault(call.input, {})).get(call.size) is None or call.ordered:
                spans[call.size] = Span(call.size, ordered=call.ordered)
        self._gone |= known.keys() - self._restored(known)

    def note(self, name: str, value: Scalar, now: int) -> None:
        """Take a value of an input."""
        spans = self._spans.get(name)
        if spans is not None:
            for span in spans.values():
                span.add(now, 0.0 if isinstance(value, str) else float(value))
        if name in self._marks:
            mark = self._marks[name]
            self._marks[name] = Mark(value, now, None if mark is None else mark.value)
            self._marked.add(name)

    def fold(self, function: str, name: str, size: int, now: int, percent: float = 0.0) -> float | None:
        """A function over a window; `None` when there is nothing that it could be of."""
        span = self._spans[name][size]
        if function in _SUMS:
            n, total = span.sum(now)
            if function == "avg":
                return total / n if n else None
            return total if function == "sum" else float(n)
        if function == "percentile":
            return span.percentile(now, percent)
        tally = span.tally(now)
        return AGGREGATES[WINDOWED[function]](tally) if tally.n else None

    def previous(self, name: str) -> Scalar | None:
        mark = self._marks[name]
        return None if mark is None else mark.before

    def changed(self, name: str) -> bool:
        """Whether the last value is another than the one before; the first is."""
        mark = self._marks[name]
        return mark is not None and mark.value != mark.before

    def age(self, name: str, now: int) -> float | None:
        """Seconds since the last value."""
        mark = self._marks[name]
        return None if mark is None else max(0, now - mark.at) / 1e6

    def news(self) -> dict[str, bytes | None]:
        """Rows to write, `None` to delete, once for each change."""
        changed: dict[str, bytes | None] = {}
        if self._gone:
            changed = dict.fromkeys(sorted(self._gone))
            self._gone.clear()
        if self._marked:
            changed |= {name: _MARK.encode(self._marks[name]) for name in sorted(self._marked)}
            self._marked.clear()
        for name, spans in self._spans.items():
            for size, span in spans.items():
                for number, body in span.news():
                    changed[f"{name}/{size}/{number}"] = body
        return changed

    def rows(self) -> dict[str, bytes]:
        """All rows, as they are or will be on disk."""
        found = dict(self._raw)
        found |= {name: _MARK.encode(mark) for name, mark in self._marks.items() if mark is not None}
        for name, spans in self._spans.items():
            for size, span in spans.items():
                found |= {f"{name}/{size}/{number}": body for number, body in span.rows().items()}
        return found

    def names(self) -> set[str]:
        """Names of all rows that may be on disk."""
        return self.rows().keys() | self.news().keys()

    def _restored(self, rows: Mapping[str, bytes]) -> set[str]:
        """Take up rows; those that somebody asks for and that can be read."""
        taken: set[str] = set()
        windows: dict[tuple[str, int], dict[int, bytes]] = {}
        for row, body in rows.items():
            name, _, rest = row.partition("/")
            size, _, number = rest.partition("/")
            if size.isdigit() and number.isdigit():
                windows.setdefault((name, int(size)), {})[int(number)] = body
            elif name in self._marks:
                try:
                    self._marks[name] = _MARKS.decode(body)
                    taken.add(name)
                except msgspec.DecodeError:  # the disk holds what we did not write
                    pass
        for (name, size_), found in windows.items():
            span = self._spans.get(name, {}).get(size_)
            if span is not None:
                taken |= {f"{name}/{size_}/{number}" for number in span.restore(found)}
        return taken


_MARK = msgspec.msgpack.Encoder()
_MARKS = msgspec.msgpack.Decoder(Mark)
