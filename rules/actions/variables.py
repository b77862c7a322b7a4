"""Change the variables of an instance."""

from __future__ import annotations

from rules.expression import Expression, Undecided
from rules.manifest.form import Scalar
from rules.turn import Turn


class Assign:
    """Change variables, all computed from the values before. A variable keeps the type it began with."""

    def __init__(self, action: dict[str, str], label: str) -> None:
        self.label = label
        self.values = {name: Expression(source) for name, source in action.items()}

    def perform(self, turn: Turn) -> None:
        values = turn.record.values
        changes = {}
        for name, expression in self.values.items():
            try:
                value = expression.value(turn.scope)
                _check_type(name, values[name], value)
            except Undecided as fault:
                turn.fault(self.label, expression, fault)
                return
            changes[name] = value
        values.update(changes)
        turn.assigned.update(changes)

    def expressions(self) -> list[Expression]:
        return list(self.values.values())


def _check_type(name: str, before: Scalar, after: Scalar) -> None:
    if type(before) is not type(after):
        msg = f"{name} is a {_TYPES[type(before)]} and cannot become {after!r}"
        raise Undecided(msg, "mistyped")


_TYPES: dict[type, str] = {bool: "boolean", float: "number", str: "string"}
