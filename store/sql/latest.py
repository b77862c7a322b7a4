"""The newest point of each series, from memory: a table of SQL, and an answer of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from store.points import Points
from twins.exchange import DESIRED, Newest

Row = tuple[int, str, str, float | None, str | None, int]


class Latest:
    """Reads `Points` in the loop. Names of series are taken apart once."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._names: list[tuple[str, str] | None] = []

    def rows(self) -> list[Row]:
        """Of all series: time, device, property, number, text and sequence number."""
        names = self._known()
        found = self._found(range(len(names)))
        return [
            (at, name[0], name[1], number, text, seq)
            for at, seq, number, text, key in found
            if (name := names[key]) is not None
        ]

    def of(self, devices: Collection[str] = (), properties: Collection[str] = ()) -> Iterator[Newest]:
        """Those of these devices and properties, of all where none is named."""
        for at, device, name, number, text, _ in self.rows():
            if (not devices or device in devices) and (not properties or name in properties):
                yield Newest(device, name, at, number, text)

    def _found(self, keys: range) -> list[tuple[int, int, float | None, str | None, int]]:
        try:
            return self._points.latest_of(keys)
        except KeyError:  # a series whose only points were lost with a damaged row of the log
            series = self._points.series
            return self._points.latest_of(key for key in keys if self._points.latest(series[key]) is not None)

    def _known(self) -> list[tuple[str, str] | None]:
        series, names = self._points.series, self._names
        for key in range(len(names), len(series)):
            names.append(_parts(series[key]))
        return names


def _parts(series: str) -> tuple[str, str] | None:
    """Device id and property; `None` for the history of a desired value."""
    if series.startswith(DESIRED):
        return None
    namespace, _, rest = series.partition("/")
    name, _, prop = rest.partition("/")
    return f"{namespace}/{name}", prop
