"""What is stored, as the facts that rules were told: asked of a gateway in SQL, in parts of bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.terminal.client import Client
from rules.expression import show
from rules.lint.effects import Place
from twins.errors import Rejected
from twins.instructions import Fact

PAGE = 50_000
"""Points of one answer."""
FIRST = 3_600_000_000
"""Microseconds of the first part; the next ones grow and shrink with what is in them."""
DEADLINE = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class History:
    """The points of some places, of `device` (`namespace/name`, with `*` and `?`) alone if that is given."""

    def __init__(self, api: Client, places: Sequence[Place], device: str = "") -> None:
        self._api = api
        self._properties = sorted({place.property for place in places})
        self._devices = sorted({place.device for place in places})
        self._only = device
        self._told = 0

    async def pages(self, since: int, until: int) -> AsyncIterator[list[Fact]]:
        """Facts from `since` until before `until` (microseconds UTC), in order of time, then of the series' name."""
        span = FIRST if self._properties else until - since
        at = since
        while at < until:
            end = min(at + span, until)
            rows, cut = await self._ask(at, end)
            if cut and end - at <= 1:
                raise Rejected(f"there are more than {PAGE} points at {_time(at)}: name one --device")
            if cut:
                span = max(1, (end - at) // 2)
                continue
            yield list(self._facts(rows))
            at = end
            if len(rows) < PAGE // 4:
                span *= 2

    async def _ask(self, since: int, until: int) -> tuple[list[Any], bool]:
        if not self._properties:
            return [], False
        globs = [_glob(each) for each in self._devices]
        only = [_glob(self._only)] if self._only else []
        conditions = [
            f"time >= TIMESTAMPTZ '{_time(since)}'",
            f"time < TIMESTAMPTZ '{_time(until)}'",
            f"property IN ({', '.join('?' * len(self._properties))})",
            f"({' OR '.join([_IS_LIKE] * len(globs))})",
            *[_IS_LIKE] * len(only),
        ]
        query = (  # of our own words: what is asked for stands in its parameters
            "SELECT epoch_us(time), namespace || '/' || device, property, value, text, seq FROM points "  # noqa: S608
            f"WHERE {' AND '.join(conditions)} ORDER BY time, namespace, device, property, seq"
        )
        body = {"query": query, "parameters": [*self._properties, *globs, *only], "limit": PAGE, "deadline": DEADLINE}
        answer = await self._api.call("POST", "/sql", json=body)
        return answer["rows"], answer["truncated"]

    def _facts(self, rows: list[Any]) -> Iterator[Fact]:
        for at, device, name, number, text, seq in rows:
            if number is None and text is None:
                continue
            self._told += 1
            value = show(number) if text is None else text
            yield Fact(device, f"replay:0:{self._told}", name, value, number, at, seq)


_IS_LIKE = "namespace || '/' || device GLOB ?"


def _glob(pattern: str) -> str:
    """A pattern of `*` and `?` alone, as SQL's GLOB has it."""
    return pattern.replace("[", "[[]")


def _time(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat(sep=" ", timespec="microseconds")
