"""The newest events as the page tells them: each with its reason in words, once to every viewer."""

from __future__ import annotations

from collections import deque

from gateway.album import picture_key
from gateway.console import reasons
from rules.rules import Rules
from twins.exchange import Event
from web.revisions import Revisions
from web.views import EventView

KEPT = 200
"""Events that a new viewer sees."""


class News:
    """What was committed comes from the console; what concerns this process alone, and is not kept, from anywhere."""

    def __init__(self, rules: Rules, revisions: Revisions) -> None:
        self._rules = rules
        self._revisions = revisions
        self._events: deque[tuple[int, EventView]] = deque(maxlen=KEPT)

    def note(self, event: Event) -> None:
        """Show an event."""
        why = reasons.why(self._rules.why(event.cause)[:3]) if event.cause else ""
        picture = picture_key(event.cause) if "picture" in event.detail else ""
        view = EventView(
            event.id, event.at, event.kind, event.object, event.severity, event.message, event.cause, why, picture
        )
        self._revisions.touch("events")
        self._events.append((self._revisions.number, view))

    def since(self, revision: int) -> tuple[EventView, ...]:
        """Events that were noted after `revision`, oldest first."""
        return tuple(event for noted, event in self._events if noted > revision)
