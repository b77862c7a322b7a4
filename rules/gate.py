"""Conditions that ask first whose turn it is: where it is another's they cost nothing."""

from __future__ import annotations

import re

from rules.expression import Expression, Scope

_GATE = re.compile(r'(input == |timeout\()"([A-Za-z_]\w*)"(\)?)(?= &&|$)')


class Gated(Expression):
    """A condition that begins with `input == "name"` or `timeout("name")`, and with that alone or by `&&`.

    It is false for all other inputs and timers, whatever the rest would give: by CEL's rules too.
    """

    __slots__ = ("_field", "_name")

    def __init__(self, source: str, field: str, name: str) -> None:
        super().__init__(source)
        self._field = field
        self._name = name

    def holds(self, scope: Scope) -> bool:
        return getattr(scope, self._field) == self._name and super().holds(scope)


def condition(source: str) -> Expression:
    """Compile a condition. Raises `Rejected` as `Expression` does."""
    found = _GATE.match(source)
    if found is None or "||" in source or "?" in source or bool(found[3]) == (found[1] == "input == "):
        return Expression(source)
    return Gated(source, "timer" if found[3] else "input", found[2])
