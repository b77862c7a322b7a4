"""Ask a desired value of a device."""

from __future__ import annotations

from collections.abc import Sequence

from rules.actions.action import Action
from rules.expression import Expression, Template, Undecided, show
from rules.instructions import Command
from rules.manifest import action as manifest
from rules.turn import Turn
from twins.duration import microseconds
from twins.values import device_id


class SetDesired:
    """Ask a desired value of a device; `otherwise` is what to do when it is not reported in time."""

    def __init__(
        self, action: manifest.SetAction, label: str, namespace: str, otherwise: Sequence[Action] = ()
    ) -> None:
        self.label = label
        self.otherwise = otherwise
        self._namespace = namespace
        self._device = Template(action.device)
        self.property = action.property
        self.value = Expression(action.value)
        within = action.within if isinstance(action, manifest.AwaitedSet) else None
        self._within = 0 if within is None else microseconds(within)

    def perform(self, turn: Turn) -> None:
        try:
            device = full_name(self._device.text(turn.scope), self._namespace)
            value = show(self.value.value(turn.scope))
        except Undecided as fault:
            turn.fault(self.label, self.value, fault)
            return
        label = self.label if self._within else ""
        values = {self.property: value}
        turn.add(Command(device, values, turn.cause, turn.id, turn.sign(), self._within, label))

    def expressions(self) -> list[Expression]:
        own = [*self._device.expressions, self.value]
        return own + [expression for action in self.otherwise for expression in action.expressions()]


def full_name(name: str, namespace: str) -> str:
    """`namespace/name` of a name that may have no namespace."""
    return name if "/" in name else device_id(namespace, name)
