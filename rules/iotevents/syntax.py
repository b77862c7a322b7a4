"""The expressions of AWS IoT Events: read into trees by precedence climbing.

Binary operators from weak to strong: `||`, `&&`, `|`, `^`, `&`, `== !=`, `< <= > >=`, `+ -`, `* /`; then `! ~ -`. Text
in single or double quotes may hold `${expression}`. Values: `$input.NAME.path`, `$variable.NAME`; what is no plain
name stands in backquotes. The grammar is that of the service's developer guide, "Expressions".
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Literal, NamedTuple

from twins.errors import Rejected
from twins.schema import nearest

LONGEST = 2048
"""Characters of an expression."""
DEEPEST = 64
"""Operators, brackets and calls within one another."""
FUNCTIONS = {
    "timeout": 1, "triggerType": 1, "currentInput": 1, "isNull": 1, "isUndefined": 1, "convert": 2, "startsWith": 2,
    "endsWith": 2, "contains": 2, "bitor": 2, "bitand": 2, "bitxor": 2, "bitnot": 1,
}  # fmt: skip
"""How many arguments each takes."""
TYPES = ("String", "Boolean", "Decimal")
"""What `convert` makes, written without quotes."""
STRENGTH = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7,
    "+": 8, "-": 8, "*": 9, "/": 9,
}  # fmt: skip
_PREFIX = 10
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<quoted>`[^`]+`)|(?P<mark>&&|\|\||[=!<>]=|[-+*/<>!~&|^(),.\[\]$])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Number(NamedTuple):
    value: float
    whole: bool


class Boolean(NamedTuple):
    value: bool


class Text(NamedTuple):
    """Literal pieces, and what is filled in between them."""

    parts: tuple[str | Node, ...]

    @property
    def plain(self) -> str | None:
        """The text, when nothing is filled in."""
        return "".join(map(str, self.parts)) if all(isinstance(part, str) for part in self.parts) else None


class Reference(NamedTuple):
    """`path` is the input's name and the way into its message, or the variable's name."""

    kind: Literal["input", "variable"]
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"${self.kind}.{'.'.join(self.path)}"


class Unary(NamedTuple):
    operator: str
    operand: Node


class Binary(NamedTuple):
    operator: str
    left: Node
    right: Node


class Call(NamedTuple):
    function: str
    arguments: tuple[Node, ...]


Node = Number | Boolean | Text | Reference | Unary | Binary | Call


def parse(source: str) -> Node:
    """The tree of an expression. Raises `Rejected`."""
    return _Parser(source, 0).whole()


def template(source: str) -> Text:
    """Text that stands without quotes, as topics do. Raises `Rejected`."""
    if len(source) > LONGEST:
        raise Rejected(f"the text has {len(source)} characters; {LONGEST} are allowed")
    return Text(_parts(source, 0))


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, source: str, depth: int) -> None:
        if len(source) > LONGEST:
            raise Rejected(f"the expression has {len(source)} characters; {LONGEST} are allowed")
        self._source = source
        self._depth = depth
        self._tokens = _tokens(source)
        self._at = 0

    def whole(self) -> Node:
        node = self._climb(0)
        if self._next.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _expect(self, mark: str) -> None:
        if self._next.kind != "mark" or self._next.text != mark:
            raise self._unexpected(f"{mark} is needed")
        self._at += 1

    def _is(self, mark: str) -> bool:
        return self._next.kind == "mark" and self._next.text == mark

    def _climb(self, floor: int) -> Node:
        """An operand and the operators after it that are stronger than `floor`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Rejected(f"the expression is nested deeper than {DEEPEST}")
        left, height = self._operand(), 0
        while self._next.kind == "mark" and (strength := STRENGTH.get(self._next.text, 0)) > floor:
            height += 1
            if self._depth + height > DEEPEST:
                raise Rejected(f"the expression has more than {DEEPEST} operators within one another")
            left = Binary(self._take().text, left, self._climb(strength))
        self._depth -= 1
        return left

    def _operand(self) -> Node:
        token = self._take()
        match token.kind, token.text:
            case "number", text:
                return _number(text)
            case "text", text:
                return Text(_parts(text, self._depth))
            case "name", ("true" | "false") as word:
                return Boolean(word == "true")
            case "name", word:
                return self._call(token) if self._is("(") else _word(word)
            case "mark", "(":
                node = self._climb(0)
                self._expect(")")
                return node
            case "mark", ("!" | "-" | "~") as sign:
                return Unary(sign, self._climb(_PREFIX))
            case "mark", "$":
                return self._reference()
        self._at -= token.kind != "end"
        raise self._unexpected("a value is needed")

    def _call(self, token: _Token) -> Call:
        name = token.text
        if name not in FUNCTIONS:
            raise Rejected(f"{name[:40]}() is no function of IoT Events; {nearest(name[:40], FUNCTIONS)}")
        self._expect("(")
        found: list[Node] = []
        while not self._is(")"):
            if found:
                self._expect(",")
            found.append(self._climb(0))
        self._expect(")")
        if len(found) != FUNCTIONS[name]:
            raise Rejected(f"{name}() takes {FUNCTIONS[name]} arguments, not {len(found)}")
        return Call(name, tuple(found))

    def _reference(self) -> Reference:
        word = self._take().text
        if word not in ("input", "variable"):
            raise Rejected(f"${word[:40]} is neither $input nor $variable")
        path: list[str] = []
        while self._is("."):
            self._at += 1
            path.append(self._segment())
        kind: Literal["input", "variable"] = "input" if word == "input" else "variable"
        if len(path) < 2 if kind == "input" else len(path) != 1:
            needed = "$input.NAME.path" if kind == "input" else "$variable.NAME"
            raise Rejected(f"{Reference(kind, tuple(path))} has another form than {needed}")
        return Reference(kind, tuple(path))

    def _segment(self) -> str:
        token = self._take()
        if token.kind not in ("name", "quoted"):
            raise self._unexpected("a name is needed after the point")
        segment = token.text.strip("`")
        while self._is("["):
            self._at += 1
            index = self._take()
            if not index.text.isdigit():
                raise self._unexpected("a number is needed in [ ]")
            self._expect("]")
            segment += f"[{index.text}]"
        return segment

    def _unexpected(self, needed: str = "") -> Rejected:
        token = self._next
        what = "the end" if token.kind == "end" else repr(token.text[:20])
        return Rejected(f"{what} at character {token.at + 1} is not expected{needed and f': {needed}'}")


def _tokens(source: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(source):
        if source[at] in "'\"":
            end = _end_of_text(source, at)
            found.append(_Token("text", source[at + 1 : end], at))
            at = end + 1
            continue
        match = _TOKEN.match(source, at)
        if match is None:
            raise Rejected(f"{source[at]!r} at character {at + 1} means nothing in an expression of IoT Events")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return [*found, _Token("end", "", at)]


def _end_of_text(source: str, start: int) -> int:
    """Where the text that begins here ends: at its own quote, outside `${ }`."""
    at = start + 1
    while at < len(source) and source[at] != source[start]:
        if source.startswith("${", at):
            at = _closing(source, at + 2)
        at += 2 if source[at] == "\\" else 1
    if at >= len(source):
        raise Rejected(f"the text that begins at character {start + 1} has no end")
    return at


def _closing(source: str, start: int) -> int:
    """Where the `}` of a `${` is; braces in quotes do not count."""
    quote = ""
    for at in range(start, len(source)):
        sign = source[at]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "}":
            return at
    raise Rejected(f"${{ at character {start - 1} is not closed by }}")


def _parts(text: str, depth: int) -> tuple[str | Node, ...]:
    if depth > DEEPEST:
        raise Rejected(f"the expression is nested deeper than {DEEPEST}")
    found: list[str | Node] = []
    piece, at = "", 0
    while at < len(text):
        if text.startswith("${", at):
            end = _closing(text, at + 2)
            found += [piece, _Parser(_inner(text[at + 2 : end]), depth + 1).whole()]
            piece, at = "", end + 1
        elif text[at] == "\\" and at + 1 < len(text):
            piece += _ESCAPES.get(text[at + 1], text[at + 1])
            at += 2
        else:
            piece += text[at]
            at += 1
    return tuple(part for part in [*found, piece] if part != "")


def _inner(source: str) -> str:
    """An expression within text may have its quotes escaped."""
    return source.replace("\\'", "'").replace('\\"', '"')


def _number(text: str) -> Number:
    value = float(text)
    if not isfinite(value):
        raise Rejected(f"{text[:40]} is no finite number")
    return Number(value, text.isdigit())


def _word(word: str) -> Text:
    if word in TYPES:
        return Text((word,))
    raise Rejected(
        f"{word[:40]!r} is neither a value nor a function: texts stand in quotes, and inputs and variables begin with "
        "$input. and $variable."
    )
