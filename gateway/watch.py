"""What a person should know of who may do what: events of kind `security`. Pure.

What people did themselves (`info`) is told each time; what others try is never a flood.
"""

from __future__ import annotations

from msgspec import Struct, structs

from twins.exchange import Event

PERIOD = 60_000_000
"""µs in which the same again is only counted."""
KEPT = 1024
"""Things watched at once; beyond that the oldest are told anew."""
MOST = 60
"""Events in a minute, whatever they are about; what is more is only counted."""


class _Told(Struct):
    at: int
    more: int = 0


class Watch:
    """The first of each object and message is an event at once; then one a minute, which counts those between."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Told] = {}
        self._minute = 0
        self._events = self._untold = 0

    def tell(self, event: Event) -> Event | None:
        """The event as it is to be told; `None` where it was told within the minute, and is counted."""
        if event.severity == "info":
            return event
        counted = self._counted(event)
        return None if counted is None else structs.replace(event, message=event.message + counted)

    def _counted(self, event: Event) -> str | None:
        """What was only counted before this, in words; `None` when this is only counted too."""
        key, seen = (event.object, event.message), event.at
        told = self._told.get(key)
        if told is not None and seen - told.at < PERIOD:
            told.more += 1
            return None
        if not self._room(seen):
            return None
        self._told.pop(key, None)
        while len(self._told) >= KEPT:
            del self._told[next(iter(self._told))]
        self._told[key] = _Told(seen)
        words = f" ({told.more} more times since it was last told)" if told is not None and told.more else ""
        if self._untold:
            words += f"; {self._untold} events of this kind went untold before it"
            self._untold = 0
        return words

    def _room(self, seen: int) -> bool:
        if seen - self._minute >= PERIOD:
            self._minute, self._events = seen, 0
        self._events += 1
        if self._events > MOST:
            self._untold += 1
        return self._events <= MOST
