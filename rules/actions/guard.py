"""What stands before an action: how often it may be done, and whether it is done at all."""

from __future__ import annotations

from rules.actions.action import Action
from rules.expression import Expression
from rules.instructions import Act, Command, Raise, Rehearsed, Signal, Write
from rules.manifest.action import Limit
from rules.phrase import phrase
from rules.turn import Turn
from twins.duration import microseconds


class Limited:
    """An action that is held back beyond its limit."""

    def __init__(self, action: Action, limit: Limit, what: str) -> None:
        self.action = action
        self.label = action.label
        self._times = limit.times
        self._per = microseconds(limit.per)
        self._what = what

    def perform(self, turn: Turn) -> None:
        if turn.passes(self.label, self._times, self._per):
            self.action.perform(turn)
        else:
            turn.hold(self.label, self._what, self._per)

    def expressions(self) -> list[Expression]:
        return self.action.expressions()


class DryRun:
    """An action that is told and not done."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.label = action.label

    def perform(self, turn: Turn) -> None:
        mark = len(turn.out)
        self.action.perform(turn)
        meant = turn.out[mark:]
        del turn.out[mark:]
        for each in meant:
            if isinstance(each, (Command, Act, Write, Signal, Raise)):
                turn.add(Rehearsed(turn.id, turn.cause, each))
                turn.note("info", f"dry run of {turn.id}: {phrase(each)}")

    def expressions(self) -> list[Expression]:
        return self.action.expressions()
