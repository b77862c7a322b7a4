"""Feed another rule."""

from __future__ import annotations

from rules.actions.desired import full_name
from rules.expression import Expression, Template, Undecided
from rules.instructions import Signal
from rules.manifest import action as manifest
from rules.turn import Turn


class SendSignal:
    """Feed an input of another rule, or of another instance of this one."""

    def __init__(self, action: manifest.SignalAction, label: str, namespace: str) -> None:
        self.label = label
        self._detector = full_name(action.detector, namespace)
        self._input = action.input
        self._key = None if action.key is None else Template(action.key)
        self.value = Expression(action.value)

    def perform(self, turn: Turn) -> None:
        try:
            value = self.value.value(turn.scope)
            key = turn.record.key if self._key is None else self._key.text(turn.scope)
        except Undecided as fault:
            turn.fault(self.label, self.value.source, fault)
            return
        turn.add(Signal(turn.sign(), turn.id, turn.cause, self._detector, key, self._input, value))

    def expressions(self) -> list[Expression]:
        return [self.value, *(self._key.expressions if self._key is not None else ())]
