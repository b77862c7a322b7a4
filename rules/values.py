"""A condition with the values that it saw in place of its names: `temperature > limit` was `81.5 > 60`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import msgspec

from rules.manifest.form import Scalar
from rules.past import call as past
from twins.bound import spaced
from twins.errors import Rejected


def filled(source: str, given: Mapping[str, Scalar]) -> str:
    """The source with each name that has a value, and each call whose result is known, replaced by it."""
    return "".join(_pieces(spaced(source), given))


def call(function: str, arguments: tuple[object, ...]) -> str:
    """How a call is named among the values that a condition saw: `within("night")`."""
    return f"{function}({', '.join(map(_said, arguments))})"


def said(value: Scalar) -> str:
    """A value as people read it in an expression: `true`, `81`, `81.5`, `"open"`."""
    return _said(value)


def _pieces(found: list[tuple[str, str]], given: Mapping[str, Scalar]) -> Iterator[str]:
    at = 0
    while at < len(found):
        kind, text = found[at]
        end = _call_end(found, at)
        if kind == "name" and end:
            name = call_of(found[at : end + 1], given)
            if name in given:
                yield _said(given[name])
                at = end + 1
                continue
        elif kind == "name" and text in given and not (at and found[at - 1][1] == "."):
            text = _said(given[text])
        yield text
        at += 1


def call_of(found: list[tuple[str, str]], given: Mapping[str, Scalar]) -> str:
    """A call as `call` names it, where its arguments are plain: texts, numbers and names; or as `past` does."""
    if found[0][1] in past.FUNCTIONS:
        with suppress(Rejected):  # a member of that name
            return past.shown_of("".join(text for _, text in found))
    words = [(kind, text) for kind, text in found[2:-1] if kind != "space"]
    return f"{found[0][1]}({', '.join(_argument(kind, text, given) for kind, text in words if text != ',')})"


def _argument(kind: str, text: str, given: Mapping[str, Scalar]) -> str:
    if kind == "string" and text[0] in "'\"":
        return _said(text[1:-1])
    if kind == "number":
        return _said(float(text.rstrip("uU")))
    return _said(given[text]) if text in given else text


def _call_end(found: list[tuple[str, str]], at: int) -> int:
    """Where the call that begins here ends; 0 when none does."""
    if at + 1 >= len(found) or found[at + 1][1] != "(":
        return 0
    depth = 0
    for place in range(at + 1, len(found)):
        depth += {"(": 1, ")": -1}.get(found[place][1], 0)
        if not depth:
            return place
    return 0


def _said(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, bool | int | float | str):
        return msgspec.json.encode(value).decode()
    return str(value)
