"""Tell people."""

from __future__ import annotations

from hashlib import blake2b

from rules.expression import Expression, Template, show
from rules.instructions import Raise
from rules.manifest import action as manifest
from rules.turn import Turn
from twins.exchange import Event, Severity


class Alert:
    """Tell people. The event's id is a digest of cause, instance, device, trigger and number, so a repeat is known."""

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
        seed = f"{turn.cause}|{turn.id}|{device}|{turn.trigger}|{turn.next_alert()}"
        name = blake2b(seed.encode(), digest_size=12).hexdigest()
        message = self._message.rough(turn.scope)
        turn.raise_(Raise(Event(name, turn.now, "alert", device, self._severity, message, turn.cause, detail)))

    def expressions(self) -> list[Expression]:
        return self._message.expressions
