"""The types of inputs and variables, which IoT Events does not declare, found from how expressions use them."""

from __future__ import annotations

from rules.iotevents.syntax import Binary, Boolean, Call, Node, Number, Reference, Text, Unary
from rules.manifest.form import InputType

_ARITHMETIC = {"-", "*", "/", "|", "^", "&"}
_LOGIC = {"&&", "||"}
_CONVERTED: dict[str, InputType] = {"String": "string", "Boolean": "boolean", "Decimal": "number"}
_ROUNDS = 16
"""How far a type travels from variable to variable."""


class Kinds:
    """What is known of each reference; what never becomes known is a number."""

    def __init__(self) -> None:
        self._known: dict[Reference, InputType] = {}

    def declare(self, reference: Reference, kind: InputType) -> None:
        self._known[reference] = kind

    def learn(self, uses: list[tuple[Node, InputType | None]], assigned: list[tuple[Reference, Node]]) -> None:
        """Look at all expressions, each with the type that it must have, and at what is assigned to variables."""
        for _ in range(_ROUNDS):
            before = len(self._known)
            for node, wanted in uses:
                self._see(node, wanted)
            for variable, value in assigned:
                kind = self._see(value, self._known.get(variable))
                if kind is not None:
                    self._see(variable, kind)
            if len(self._known) == before:
                return

    def of(self, node: Node) -> InputType:
        return self._see(node, None) or "number"

    def _see(self, node: Node, wanted: InputType | None) -> InputType | None:
        """The type of a node; a reference of none takes the one that is wanted."""
        match node:
            case Number():
                return "number"
            case Boolean():
                return "boolean"
            case Text(parts):
                for part in parts:
                    if not isinstance(part, str):
                        self._see(part, None)
                return "string"
            case Reference():
                if node not in self._known and wanted is not None:
                    self._known[node] = wanted
                return self._known.get(node)
            case Unary(operator, operand):
                kind: InputType = "boolean" if operator == "!" else "number"
                self._see(operand, kind)
                return kind
            case Binary():
                return self._pair(node, wanted)
            case Call(function, arguments):
                return self._call(function, arguments)

    def _pair(self, node: Binary, wanted: InputType | None) -> InputType | None:
        operator, left, right = node
        if operator in _LOGIC or operator in _ARITHMETIC:
            kind: InputType = "boolean" if operator in _LOGIC else "number"
            self._see(left, kind)
            self._see(right, kind)
            return kind
        first = self._see(left, wanted if operator == "+" and wanted != "boolean" else None)
        second = self._see(right, first)
        if first is None and second is not None:
            first = self._see(left, second)
        return (first or second) if operator == "+" else "boolean"

    def _call(self, function: str, arguments: tuple[Node, ...]) -> InputType | None:
        text: InputType | None = "string" if function in {"startsWith", "endsWith", "contains"} else None
        for each in arguments:
            self._see(each, "number" if function.startswith("bit") else text)
        if function == "convert":
            first = arguments[0]
            return _CONVERTED.get(first.plain or "") if isinstance(first, Text) else None
        return "number" if function.startswith("bit") else "boolean"
