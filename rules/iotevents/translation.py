"""Expressions of IoT Events as CEL. Numbers become doubles; what CEL has not is `Untranslatable`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from rules.iotevents.symbols import Symbols
from rules.iotevents.syntax import Binary, Boolean, Call, Node, Number, Reference, Text, Unary
from rules.iotevents.uses import nodes

_STRENGTH = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5}
_PREFIX, _WHOLE = 6, 7
_BITS = "there are no operations on bits in our expressions: report each bit as a property of its own (a Mapping can)"
Note = Callable[[str], None]


class Untranslatable(Exception):
    """An expression that is sound in IoT Events and cannot be said here; the message says why and what to do."""


class Translation:
    """Writes CEL for one element of a model. `note` is told what differs; `before` renames variables."""

    def __init__(self, symbols: Symbols, note: Note, before: Mapping[str, str] | None = None) -> None:
        self._symbols = symbols
        self._note = note
        self._before = before or {}

    def condition(self, node: Node) -> str:
        """What is no boolean is false, as in IoT Events."""
        if self._symbols.kinds.of(node) != "boolean":
            self._note("it is no boolean: it never holds, here as in IoT Events")
            return "false"
        return self.cel(node)

    def cel(self, node: Node) -> str:
        """Raises `Untranslatable`."""
        return self._write(node)[0]

    def text(self, node: Node) -> str:
        """Text with `${…}` that gives what the expression gives. Raises `Untranslatable`."""
        match node:
            case Text(parts):
                return "".join(_literal(part) if isinstance(part, str) else self.text(part) for part in parts)
            case Binary("+", left, right) if self._symbols.kinds.of(node) == "string":
                return self.text(left) + self.text(right)
            case _:
                return f"${{{self.cel(node)}}}"

    def length(self, node: Node) -> float | str:
        """A time: whole seconds, rounded down, or the CEL of it."""
        if isinstance(node, Number):
            return int(node.value)
        return f"double(int({self.cel(node)}))"

    def _write(self, node: Node) -> tuple[str, int]:
        """The CEL of a node and how strongly it holds together."""
        match node:
            case Number(value):
                return repr(value), _WHOLE
            case Boolean(value):
                return ("true" if value else "false"), _WHOLE
            case Text(parts):
                return self._joined(parts)
            case Reference():
                name = self._symbols.cel(node)
                return self._before.get(name, name), _WHOLE
            case Unary("~", _):
                raise Untranslatable(_BITS)
            case Unary(operator, operand):
                if operator == "!" and any(
                    isinstance(each, Binary) and each.operator == "||" for each in nodes(operand)
                ):
                    self._note("while a value in it is unknown it is false; IoT Events takes that side of || as false")
                return operator + self._held(operand, _PREFIX + (operator == "-")), _PREFIX
            case Binary():
                return self._pair(node)
            case Call(function, arguments):
                return self._call(function, arguments)

    def _held(self, node: Node, floor: int) -> str:
        """The CEL of a part, in brackets where it holds together less than is needed."""
        text, strength = self._write(node)
        return text if strength >= floor else f"({text})"

    def _pair(self, node: Binary) -> tuple[str, int]:
        operator, left, right = node
        if operator in "|^&":
            raise Untranslatable(_BITS)
        strength = _STRENGTH[operator]
        if operator == "/" and not _decimal(left) and not _decimal(right):
            self._note("IoT Events rounds the quotient of two whole numbers; here it keeps its fraction")
        if operator in {"==", "!="} and self._symbols.kinds.of(left) != self._symbols.kinds.of(right):
            self._note("values of different types are compared: here they are never equal")
        looser = strength == _STRENGTH["=="]
        return f"{self._held(left, strength + looser)} {operator} {self._held(right, strength + 1)}", strength

    def _joined(self, parts: tuple[str | Node, ...]) -> tuple[str, int]:
        if all(isinstance(part, str) for part in parts):
            return quoted("".join(map(str, parts))), _WHOLE
        return " + ".join(quoted(p) if isinstance(p, str) else self._as_text(p) for p in parts), _STRENGTH["+"]

    def _as_text(self, node: Node) -> str:
        match self._symbols.kinds.of(node):
            case "string":
                return self._held(node, _STRENGTH["+"] + 1)
            case "boolean":
                return f'({self._held(node, _STRENGTH["||"])} ? "true" : "false")'
            case _:
                return f"string({self.cel(node)})"

    def _call(self, function: str, arguments: tuple[Node, ...]) -> tuple[str, int]:
        match function, arguments:
            case "timeout", (Text() as timer,):
                return f"timeout({quoted(self._symbols.timers.of(_name(timer)))})", _WHOLE
            case "triggerType", (Text() as kind,):
                return _trigger(_name(kind)), _STRENGTH["=="]
            case "currentInput", (Text() as name,):
                return self._current(_name(name))
            case (("isNull" | "isUndefined"), (operand,)):
                return self._undefined(function, operand), _PREFIX
            case "convert", (Text() as kind, operand):
                return self._converted(_name(kind), operand), _WHOLE
            case (("startsWith" | "endsWith" | "contains"), (text, part)):
                return f"{self._held(text, _WHOLE)}.{function}({self.cel(part)})", _WHOLE
        if function.startswith("bit"):
            raise Untranslatable(_BITS)
        raise Untranslatable(f"{function}() needs a name in quotes here")

    def _current(self, name: str) -> tuple[str, int]:
        found = [f"input == {quoted(each)}" for each in self._symbols.of_input(name)]
        if not found:
            raise Untranslatable(
                f"no expression uses a value of the input {name}, so nothing says which property it is: say it with "
                f"--input {name}=DEVICE/PROPERTY"
            )
        return " || ".join(found), _STRENGTH["=="] if len(found) == 1 else _STRENGTH["||"]

    def _undefined(self, function: str, operand: Node) -> str:
        if not isinstance(operand, Reference) or self._symbols.is_key(operand):
            raise Untranslatable(f"{function}() is taken of an input or a variable alone")
        if function == "isNull":
            self._note("null is no value of a twin: what is not known counts as null")
        if operand.kind == "input":
            return f"!known({quoted(self._symbols.cel(operand))})"
        return f"!{self._symbols.track(operand)}"

    def _converted(self, kind: str, operand: Node) -> str:
        given = self._symbols.kinds.of(operand)
        if kind == "String":
            return self._as_text(operand) if given != "string" else self._held(operand, _WHOLE)
        if kind == "Decimal" and given != "boolean":
            return f"double({self.cel(operand)})"
        if kind == "Boolean" and given == "string":
            self._note('text that is neither "true" nor "false" is false here; in IoT Events it has no value')
            return f'({self._held(operand, _STRENGTH["=="] + 1)} == "true")'
        if kind == "Boolean" and given == "boolean":
            return self._held(operand, _WHOLE)
        raise Untranslatable(f"a {given} cannot be converted to {kind}")


def quoted(text: str) -> str:
    """A text as CEL writes it, whose escapes are JSON's."""
    return msgspec.json.encode(text).decode()


def _literal(text: str) -> str:
    return text.replace("${", '${"${"}')


def _name(text: Text) -> str:
    if text.plain is None:
        raise Untranslatable("a name that is computed cannot be looked up")
    return text.plain


def _trigger(kind: str) -> str:
    if kind not in {"Message", "Timer"}:
        raise Untranslatable(f'triggerType() is "Message" or "Timer", not {kind[:40]!r}')
    return 'input != ""' if kind == "Message" else 'input == ""'


def _decimal(node: Node) -> bool:
    return isinstance(node, Number) and not node.whole
