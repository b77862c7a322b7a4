"""Start and stop the timers of an instance."""

from __future__ import annotations

from rules.expression import Expression, Undecided
from rules.manifest import action as manifest
from rules.manifest.detector import MINIMUM_TIMER, microseconds
from rules.turn import Turn

_MILLISECOND = 1000


class Start:
    """Start a timer, or start it again. A length that is computed counts in whole milliseconds, rounded down."""

    def __init__(self, action: manifest.TimerAction, label: str) -> None:
        self.label = label
        self.name = action.name
        self._computed = None if action.expression is None else Expression(action.expression)
        self._length = MINIMUM_TIMER if action.length is None else microseconds(action.length)

    def perform(self, turn: Turn) -> None:
        if self._computed is None:
            turn.arm(self.name, self._length)
            return
        try:
            turn.arm(self.name, _length(self._computed, turn))
        except Undecided as fault:
            turn.fault(self.label, self._computed, fault)

    def expressions(self) -> list[Expression]:
        return [] if self._computed is None else [self._computed]


class Restart:
    """Start a timer again with the length that it had last, be it running, over or cleared."""

    def __init__(self, name: str, label: str) -> None:
        self.label = label
        self.name = name

    def perform(self, turn: Turn) -> None:
        length = turn.record.lengths.get(self.name)
        if length is None:
            turn.fault(self.label, f"restart: {self.name}", Undecided("it was never started"))
        else:
            turn.arm(self.name, length)

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


def _length(computed: Expression, turn: Turn) -> int:
    """Microseconds. Raises `Undecided` for what is no length of time that a timer may have."""
    seconds = computed.value(turn.scope)
    if isinstance(seconds, (bool, str)):
        msg = f"gives {seconds!r}, which is no number of seconds"
        raise Undecided(msg)
    try:
        return microseconds(seconds) // _MILLISECOND * _MILLISECOND
    except ValueError as error:
        raise Undecided(str(error)) from None
