"""Ask a desired value of a device."""

from __future__ import annotations

from rules.expression import Expression, Template, Undecided, show
from rules.manifest import action as manifest
from rules.turn import Turn
from twins.values import device_id


class SetDesired:
    """Ask a desired value of a device."""

    def __init__(self, action: manifest.SetAction, label: str, namespace: str) -> None:
        self.label = label
        self._namespace = namespace
        self._device = Template(action.device)
        self._property = action.property
        self.value = Expression(action.value)

    def perform(self, turn: Turn) -> None:
        try:
            device = self._device.text(turn.scope)
            value = show(self.value.value(turn.scope))
        except Undecided as fault:
            turn.fault(self.label, self.value, fault)
            return
        turn.command(device if "/" in device else device_id(self._namespace, device), self._property, value)

    def expressions(self) -> list[Expression]:
        return [*self._device.expressions, self.value]
