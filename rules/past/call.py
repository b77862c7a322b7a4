"""Functions of the past in expressions: `avg(temperature, '5m')` takes an input's name, not its value.

CEL hands values to functions, so such a call is compiled with the name and the microseconds in place of what people
write: `avg("temperature", 300000000)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from twins import bound
from twins.duration import microseconds
from twins.errors import Rejected

WINDOWED = {"avg": "mean", "min": "min", "max": "max", "sum": "sum", "count": "n", "rate": "rate", "delta": "delta"} | {
    "stddev": "spread",
    "percentile": "",
}
"""Functions over a window, and the aggregate that each is; a percentile needs the values in order."""
REMEMBERED = frozenset({"previous", "changed", "age"})
"""Functions of the last value and the one before."""
FUNCTIONS = REMEMBERED | WINDOWED.keys()
SHORTEST = 10_000
"""Microseconds of the shortest window."""


class Call(Struct, frozen=True):
    """One call. `size` is its window in microseconds, 0 where there is none; `ordered` asks for values in order."""

    function: str
    input: str
    size: int = 0
    ordered: bool = False


def compiled(source: str) -> tuple[str, tuple[Call, ...]]:
    """An expression as CEL takes it, and the calls in it. Raises `Rejected` for a call that cannot be meant."""
    found = bound.matches(source)
    calls: list[Call] = []
    pieces: list[str] = []
    done = 0
    for at, match in enumerate(found[:-1]):
        if match.group() not in FUNCTIONS or found[at + 1].group() != "(" or (at and found[at - 1].group() == "."):
            continue
        arguments, end = _arguments(found, at + 2)
        call, text = _read(match.group(), arguments)
        calls.append(call)
        pieces += [source[done : match.start()], text]
        done = end
    return "".join([*pieces, source[done:]]), tuple(calls)


def shown(function: str, given: Sequence[object]) -> str:
    """How people read a call, whatever its duration is written as: `avg(temperature, 300s)`."""
    name, *size = given
    rest = [f"{size[0] / 1e6:g}s" if isinstance(size[0], int) else "", *map(str, size[1:])] if size else []
    return f"{function}({', '.join([str(name), *rest])})"


def shown_of(source: str) -> str:
    """The same, of a call as it is written."""
    found = bound.matches(source)
    call, _ = _read(found[0].group(), _arguments(found, 2)[0])
    words = [match.group() for match in found[2:-1] if match.group() != ","]
    return shown(call.function, [call.input, call.size, *map(float, words[2:])] if call.size else [call.input])


def _arguments(found: list[re.Match[str]], at: int) -> tuple[list[re.Match[str]], int]:
    """The single tokens between the commas of a call, none where it is written otherwise; and where the call ends."""
    arguments: list[re.Match[str]] = []
    while at + 1 < len(found):
        arguments.append(found[at])
        following = found[at + 1].group()
        if following == ")":
            return arguments, found[at + 1].end()
        if following != ",":
            break
        at += 2
    return [], 0


def _read(function: str, arguments: list[re.Match[str]]) -> tuple[Call, str]:
    kinds = [match.lastgroup for match in arguments]
    words = [match.group() for match in arguments]
    if function in REMEMBERED:
        if kinds != ["name"]:
            raise Rejected(f"{function}() takes the name of an input: {function}(temperature)")
        return Call(function, words[0]), f'{function}("{words[0]}")'
    ordered = function == "percentile"
    if kinds != ["name", "string"] + ["number"] * ordered:
        form = "(temperature, '5m', 95.0)" if ordered else "(temperature, '5m')"
        raise Rejected(f"{function}() takes the name of an input and how long: {function}{form}")
    try:
        size = microseconds(words[1].strip("'\""), SHORTEST)
    except ValueError as error:
        raise Rejected(f"{function}(): {error}") from None
    last = ""
    if ordered:
        if not 0 <= (part := float(words[2].rstrip("uU"))) <= 100:
            raise Rejected(f"percentile(): {words[2]} is not between 0.0 and 100.0")
        last = f", {part!r}"
    return Call(function, words[0], size, ordered), f'{function}("{words[0]}", {size}{last})'
