"""Expressions in CEL: compiled once, bounded before they run, evaluated against one scope.

Names are the detector's inputs and variables, and `device` (whose fact it is), `input` (the name of the input, empty
on a timer), `key` (of the instance). Numbers are doubles: CEL does not mix `int` and `double` in arithmetic, so write
`limit - 2.0`. Functions beside CEL's own: `within("window")`, `timeout("timer")`, `schedule("name")`, `known("input")`,
`part(text, separator, index)`, a piece of a text as a number of a device's name, and those of the past
(`rules/past/call.py`), as `avg(temperature, '5m')`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from rules.explain import Reason
from rules.manifest.form import Scalar
from rules.manifest.schedule import AT
from rules.past import call as past
from rules.values import call
from twins import bound
from twins.errors import Rejected

if TYPE_CHECKING:
    import cel

RESERVED = ("device", "input", "key")
FUNCTIONS = frozenset({"within", "timeout", "known", "part", "schedule"}) | past.FUNCTIONS
HEARD = 64
"""Results of functions that are noted of one condition."""
NATIVE = frozenset(
    {"size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string", "type", "dyn", "has"}
)
# CEL's failures arrive as these; anything else is a defect of ours.
_FAILURES = (TypeError, RuntimeError, LookupError, ArithmeticError, ValueError)


class Hours(Protocol):
    """A time window."""

    def contains(self, at: int) -> bool: ...


class Past(Protocol):
    """What is remembered of inputs; `None` where there is nothing to tell."""

    def fold(self, function: str, name: str, size: int, now: int, percent: float = 0.0) -> float | None: ...

    def previous(self, name: str) -> Scalar | None: ...

    def changed(self, name: str) -> bool: ...

    def age(self, name: str, now: int) -> float | None: ...


class Undecided(Exception):
    """An expression has no usable value: something is `missing`, `mistyped`, or what it computes `failed`."""

    def __init__(self, message: str, reason: Reason = "failed") -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Scope:
    """What expressions see. One serves all rules: the fields are set before each evaluation."""

    __slots__ = ("context", "device", "gap", "heard", "input", "key", "now", "past", "timer", "unread", "values",
                 "windows")  # fmt: skip

    def __init__(self) -> None:
        import cel  # 14 MB, and only needed once there is a rule

        self.values: Mapping[str, Scalar] = {}
        self.windows: Mapping[str, Hours] = {}
        self.device = self.input = self.key = self.timer = ""
        self.unread: str | None = None
        """The value of `input`, where it cannot be read by its type."""
        self.now = 0
        self.heard: dict[str, Scalar] = {}
        """What each function gave since this was cleared."""
        self.past: Past | None = None
        self.gap = ""
        """What the first function of the past that had no value says of it."""
        self.context: cel.Context = cel.Context()
        self.context.set_variable_resolver(self._resolve)
        # What a Python function raises is printed to stderr by the extension: ours return None, which is no boolean.
        functions: dict[str, Callable[..., Scalar | None]] = {
            "within": self._within,
            "timeout": self._timeout,
            "known": self._known,
            "schedule": self._schedule,
            "part": _part,
            "previous": self._previous,
            "changed": self._changed,
            "age": self._age,
        }
        functions |= {name: self._folding(name) for name in past.WINDOWED}
        for name, function in functions.items():
            self.context.add_function(name, self._noting(name, function))

    def _resolve(self, name: str) -> Scalar | None:
        value = self.values.get(name)
        if value is None and name in RESERVED:
            return str(getattr(self, name))
        return value

    def given(self, names: Collection[str]) -> dict[str, Scalar]:
        """The values that these names have, and what functions gave since `heard` was cleared."""
        values = self.values
        found = {name: value for name in names if (value := values.get(name)) is not None}
        if len(found) < len(names):
            found |= {name: str(getattr(self, name)) for name in RESERVED if name in names and name not in found}
        return found | self.heard if self.heard else found

    def _noting(self, name: str, function: Callable[..., Scalar | None]) -> Callable[..., Scalar | None]:
        def noting(*given: object) -> Scalar | None:
            value = function(*given)
            if value is not None and len(self.heard) < HEARD:
                self.heard[past.shown(name, given) if name in past.FUNCTIONS else call(name, given)] = value
            return value

        return noting

    def _within(self, *names: object) -> bool | None:
        window = self.windows.get(str(names[0])) if len(names) == 1 else None
        return None if window is None else window.contains(self.now)

    def _timeout(self, *names: object) -> bool:
        return self.timer != "" and names == (self.timer,)

    def _schedule(self, *names: object) -> bool:
        return len(names) == 1 and self.timer == f"{AT}{names[0]}"

    def _known(self, *names: object) -> bool:
        return len(names) == 1 and names[0] in self.values

    def _folding(self, function: str) -> Callable[..., float | None]:
        def fold(name: str, size: int, percent: float = 0.0) -> float | None:
            known = self.past
            value = None if known is None else known.fold(function, name, size, self.now, percent)
            if value is None:
                self.gap = self.gap or f"{name} has too few values in the last {size / 1e6:g} s for {function}()"
            return value

        return fold

    def _previous(self, name: str) -> Scalar | None:
        value = None if self.past is None else self.past.previous(name)
        if value is None:
            self.gap = self.gap or f"{name} has no previous value"
        return value

    def _changed(self, name: str) -> bool:
        return self.past is not None and self.input == name and self.past.changed(name)

    def _age(self, name: str) -> float | None:
        value = None if self.past is None else self.past.age(name, self.now)
        if value is None:
            self.gap = self.gap or f"{name} has no value yet"
        return value


class Expression:
    """A compiled expression. Raises `Rejected` when it cannot be compiled or may cost too much."""

    __slots__ = ("_program", "past", "source", "uses")

    def __init__(self, source: str) -> None:
        import cel

        bound.check(source)
        self.source = source
        text, self.past = past.compiled(source)
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            msg = f"not a CEL expression: {_first_fault(str(error))}"
            raise Rejected(msg) from error
        self.uses = tuple(sorted(self.names()))

    def value(self, scope: Scope) -> Scalar:
        """Evaluate to a boolean, a double or a text. Raises `Undecided`."""
        scope.gap = ""
        try:
            result = self._program.execute(scope.context)
        except _FAILURES as error:
            raise self._why(error, scope) from error
        if result is None and scope.gap:
            raise Undecided(scope.gap, "missing")
        return _scalar(result)

    def holds(self, scope: Scope) -> bool:
        """Evaluate a condition. Raises `Undecided`, also when the value is no boolean."""
        result = self.value(scope)
        if result is True or result is False:
            return result
        msg = f"gives {result!r}, which is neither true nor false"
        raise Undecided(msg, "mistyped")

    def names(self) -> set[str]:
        """The variables it needs."""
        asked = {each.input for each in self.past}
        return set(self._program.variables()) - bound.bound_names(self.source) | asked

    def functions(self) -> set[str]:
        """The functions and macros it calls, operators left out."""
        return {name for name in self._program.functions() if name.isidentifier() and not name.startswith("_")}

    def calls(self, function: str) -> list[str | None]:
        """The literal argument of each call of a one-argument function; `None` where it is no literal."""
        found = bound.tokens(self.source)
        return [
            found[index + 2][1][1:-1] if index + 3 < len(found) and _literal(found[index + 2 : index + 4]) else None
            for index, (kind, text) in enumerate(found[:-1])
            if kind == "name" and text == function and found[index + 1][1] == "("
        ]

    def _why(self, error: Exception, scope: Scope) -> Undecided:
        if scope.gap:
            return Undecided(scope.gap, "missing")
        missing = sorted(name for name in self.names() if name not in scope.values and name not in RESERVED)
        if missing and isinstance(error, RuntimeError):
            if scope.unread is not None and scope.input in missing:
                said = f"{scope.input} came as {scope.unread[:40]!r}, which cannot be read by its type"
                return Undecided(said, "mistyped")
            return Undecided(f"no value yet of {', '.join(missing)}", "missing")
        return Undecided(str(error).splitlines()[0][:200], "mistyped" if isinstance(error, TypeError) else "failed")


class Template:
    """Text in which each `${expression}` is replaced by its value."""

    __slots__ = ("_parts", "expressions", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._parts: list[str | Expression] = []
        rest = source
        while "${" in rest:
            before, _, rest = rest.partition("${")
            end = _closing(rest)
            self._parts += [before, Expression(rest[:end])]
            rest = rest[end + 1 :]
        self._parts.append(rest)
        self.expressions = [part for part in self._parts if isinstance(part, Expression)]

    def text(self, scope: Scope) -> str:
        """Fill in. Raises `Undecided` when a part has no value."""
        return "".join(part if isinstance(part, str) else show(part.value(scope)) for part in self._parts)

    def rough(self, scope: Scope) -> str:
        """Fill in, with `?` where a part has no value: for people, who want the message all the same."""
        return "".join(part if isinstance(part, str) else _rough(part, scope) for part in self._parts)


def show(value: Scalar) -> str:
    """A value as twins write it: `true`, `81`, `81.5`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _rough(expression: Expression, scope: Scope) -> str:
    try:
        return show(expression.value(scope))
    except Undecided:
        return "?"


def _scalar(result: object) -> Scalar:
    if isinstance(result, bool):
        return result
    if isinstance(result, (int, float)) and math.isfinite(result):
        return float(result)
    if isinstance(result, str) and len(result) <= bound.LONGEST_TEXT:
        return result
    limit = bound.LONGEST_TEXT
    msg = f"gives {repr(result)[:60]}, which is no finite number, no boolean and no text of at most {limit} characters"
    raise Undecided(msg, "mistyped")


def _part(*given: object) -> str | None:
    if len(given) != 3:
        return None
    text, separator, index = given
    if not isinstance(text, str) or not isinstance(separator, str) or not separator:
        return None
    pieces = text.split(separator)
    at = int(index) if isinstance(index, (int, float)) and abs(index) < 1000 else 1000
    return pieces[at] if -len(pieces) <= at < len(pieces) else None


def _literal(pair: list[tuple[str, str]]) -> bool:
    return pair[0][0] == "string" and pair[1][1] == ")"


def _closing(text: str) -> int:
    """Where the expression after `${` ends: at the first `}` outside quotes and inner braces."""
    depth = 0
    at = 0
    for _, piece in bound.tokens(text):
        at = text.index(piece, at)
        if piece == "{":
            depth += 1
        elif piece == "}":
            if depth == 0:
                return at
            depth -= 1
        at += len(piece)
    msg = "${ is not closed by }"
    raise Rejected(msg)


def _first_fault(message: str) -> str:
    for line in message.splitlines():
        _, mark, fault = line.partition("<input>:")
        if mark:
            return fault[:160]
    return message.splitlines()[0][:160]
