"""Start and stop the timers of an instance."""

from __future__ import annotations

from rules.expression import Expression
from rules.manifest import action as manifest
from rules.manifest.detector import microseconds
from rules.turn import Turn


class Start:
    """Start a timer, or start it again."""

    def __init__(self, action: manifest.TimerAction, label: str) -> None:
        self.label = label
        self.name = action.name
        self._length = microseconds(action.length or 0.0)

    def perform(self, turn: Turn) -> None:
        turn.arm(self.name, turn.now + self._length)

    def expressions(self) -> list[Expression]:
        return []


class Clear:
    """Stop a timer."""

    def __init__(self, name: str, label: str) -> None:
        self.label = label
        self.name = name

    def perform(self, turn: Turn) -> None:
        turn.clear(self.name)

    def expressions(self) -> list[Expression]:
        return []
