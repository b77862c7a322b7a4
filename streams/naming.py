"""What the lanes, the rows and the results of one query are called."""

from __future__ import annotations

from streams.lane import Lane, Part
from streams.query import Query
from streams.source import parted

PREFIX = "query:"
"""What the rows and the timer of a query begin with."""
SERIES = "@"
"""In place of a part's number in the row of a series."""


class Naming:
    """By the query's key."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._id = query.id

    def result(self, lane: Lane, kind: str) -> tuple[str, str, str]:
        """Device and name of a result, beside what it is made of; and what kind it is for those who read it."""
        query = self._query.metadata.name
        if self._query.spec.align is not None:
            device, name = parted(kind)
            return device, f"{name}.{query}", name
        match self._query.key:
            case "series":
                return lane.device, f"{lane.key[len(lane.device) + 1 :]}.{query}.{kind}", kind
            case "device":
                return lane.device, f"{query}.{kind}", kind
            case "all":
                return self._id, kind, kind

    def key(self, device: str, name: str) -> str:
        match self._query.key:
            case "series":
                return f"{device}/{name}"
            case "device":
                return device
            case "all":
                return ""

    def owner(self, key: str) -> str:
        match self._query.key:
            case "series":
                return parted(key)[0]
            case "device":
                return key
            case "all":
                return self._id

    def row(self, lane: Lane, part: Part) -> str:
        if isinstance(part, str):
            return f"{PREFIX}{self._id}/{SERIES}/{part}"
        return f"{PREFIX}{self._id}/{'' if part is None else part}/{lane.key}"

    def place(self, row: str) -> tuple[str, Part]:
        """The key of the lane that a row is of, and what of it."""
        part, _, rest = row.removeprefix(f"{PREFIX}{self._id}/").partition("/")
        if part == SERIES:
            return self.key(*parted(rest)), rest
        return rest, int(part) if part else None
