"""Tell people."""

from __future__ import annotations

from rules.expression import Expression, Template, show
from rules.instructions import Raise
from rules.manifest import action as manifest
from rules.turn import Turn
from twins.exchange import Event, Severity


class Alert:
    """Tell people. The event's id is the action's, so a repeat is known."""

    def __init__(self, action: manifest.AlertAction, label: str) -> None:
        self.label = label
        self._message = Template(action.message)
        self._severity: Severity = action.severity
        self._picture = action.picture

    def perform(self, turn: Turn) -> None:
        detail = {"rule": turn.rule, "instance": turn.record.key, "state": turn.record.state, "trigger": turn.trigger}
        detail |= {f"value.{name}": show(value) for name, value in turn.record.values.items()}
        device = turn.record.device
        if self._picture:
            detail["picture"] = device
        message = self._message.rough(turn.scope)
        turn.add(Raise(Event(turn.sign(), turn.now, "alert", device, self._severity, message, turn.cause, detail)))

    def expressions(self) -> list[Expression]:
        return self._message.expressions
