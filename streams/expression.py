"""Filter and arithmetic in CEL over one point: `value` (a double), `text`, `device`, `property`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twins import bound
from twins.errors import Rejected
from twins.exchange import Point
from twins.schema import nearest

if TYPE_CHECKING:
    import cel

NAMES = ("value", "text", "device", "property")
_FAILURES = (TypeError, RuntimeError, LookupError, ArithmeticError, ValueError)


class Expression:
    """Compiled once. Raises `Rejected` when it cannot be, names what there is not, or may cost too much."""

    __slots__ = ("_context", "_program", "_scope")

    def __init__(self, source: str) -> None:
        import cel  # 14 MB, and only needed once there is an expression

        bound.check(source)
        try:
            self._program = cel.compile(source)
        except ValueError as error:
            raise Rejected(f"not a CEL expression: {_first(str(error))}") from None
        for name in sorted(set(self._program.variables()) - bound.bound_names(source) - set(NAMES)):
            raise Rejected(f"{name!r} is no name here; {nearest(name, NAMES)}")
        self._scope: dict[str, object] = {}
        self._context: cel.Context = cel.Context()
        self._context.set_variable_resolver(self._scope.get)

    def holds(self, point: Point, device: str, name: str) -> bool | None:
        """Whether the condition is true; `None` when it has no value, or one that is no boolean."""
        result = self._run(point, device, name)
        return result if isinstance(result, bool) else None

    def number(self, point: Point, device: str, name: str) -> float | None:
        """The number it gives; `None` when it gives none that is finite."""
        result = self._run(point, device, name)
        if isinstance(result, bool):
            return float(result)
        return float(result) if isinstance(result, (int, float)) and math.isfinite(result) else None

    def _run(self, point: Point, device: str, name: str) -> object:
        scope = self._scope
        scope["value"], scope["text"] = point.number, point.text
        scope["device"], scope["property"] = device, name
        try:
            return self._program.execute(self._context)
        except _FAILURES:
            return None


def _first(message: str) -> str:
    for line in message.splitlines():
        _, mark, reason = line.partition("<input>:")
        if mark:
            return reason[:160]
    return message.splitlines()[0][:160]
