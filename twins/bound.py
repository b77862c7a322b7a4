"""What an expression may cost, found before it runs: CEL cannot be interrupted once it does.

Values in scope are scalars of at most 256 characters, so cost comes from macros over lists written in the source.
`map` could grow its list with every step and `matches` compiles its pattern at every evaluation (60 ms measured for
`\\w{300}`): both are refused. For the rest, each token counts once per round of the macros around it.
"""

from __future__ import annotations

import re
from itertools import pairwise

from twins.errors import Rejected

LONGEST_SOURCE = 1024
LONGEST_TEXT = 256
"""Characters of a string that an expression may see or keep."""
DEEPEST_BRACKET = 32
DEEPEST_MACRO = 2
HIGHEST_COST = 10_000
"""Tokens evaluated, about 1 ms at 100 ns each."""
MACROS = frozenset({"all", "exists", "exists_one", "filter"})
REFUSED = {
    "map": "its results can grow without bound",
    "matches": "its pattern is compiled at every evaluation; use contains, startsWith or endsWith",
}

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:'{3}(?:[^\\]|\\.)*?'{3}|"{3}(?:[^\\]|\\.)*?"{3}|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]?)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


def matches(source: str) -> list[re.Match[str]]:
    """The tokens of CEL with their places, spaces and comments left out; `lastgroup` is the kind."""
    return [match for match in _TOKEN.finditer(source) if match.lastgroup != "space"]


def tokens(source: str) -> list[tuple[str, str]]:
    """Split CEL into `(kind, text)` with kind `string`, `name`, `number` or `mark`."""
    return [(str(match.lastgroup), match.group()) for match in matches(source)]


def spaced(source: str) -> list[tuple[str, str]]:
    """The same with what stands between them, kind `space`: joined, it is the source again."""
    return [(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(source)]


def check(source: str) -> None:
    """Raise `Rejected` when the expression is too long, too deep or too costly."""
    if len(source) > LONGEST_SOURCE:
        msg = f"the expression has {len(source)} characters; {LONGEST_SOURCE} are allowed"
        raise Rejected(msg)
    found = tokens(source)
    _check_functions(found)
    marks = [text for kind, text in found if kind == "mark"]
    rounds = (marks.count(",") + 1) * (marks.count("+") + 1)
    cost = 0
    stack: list[bool] = []
    for index, (kind, text) in enumerate(found):
        if kind == "mark" and text in "([{":
            stack.append(text == "(" and index > 1 and _is_macro(found, index - 1))
            _check_depth(stack)
        elif kind == "mark" and text in ")]}" and stack:
            stack.pop()
        cost += rounds ** sum(stack)
    if cost > HIGHEST_COST:
        msg = f"the expression may cost {cost} steps; {HIGHEST_COST} are allowed: shorten the lists in its macros"
        raise Rejected(msg)


def bound_names(source: str) -> set[str]:
    """The names that macros bind, as `s` in `list.exists(s, …)`."""
    found = tokens(source)
    return {
        found[index + 2][1]
        for index in range(1, len(found) - 2)
        if _is_macro(found, index) and found[index + 1][1] == "(" and found[index + 2][0] == "name"
    }


def _is_macro(found: list[tuple[str, str]], index: int) -> bool:
    return found[index][1] in MACROS and found[index - 1][1] == "."


def _check_functions(found: list[tuple[str, str]]) -> None:
    for (kind, text), (_, following) in pairwise(found):
        if kind == "name" and following == "(" and text in REFUSED:
            msg = f"{text}() is not allowed: {REFUSED[text]}"
            raise Rejected(msg)


def _check_depth(stack: list[bool]) -> None:
    if len(stack) > DEEPEST_BRACKET:
        msg = f"brackets are nested deeper than {DEEPEST_BRACKET}"
        raise Rejected(msg)
    if sum(stack) > DEEPEST_MACRO:
        msg = f"macros ({', '.join(sorted(MACROS))}) are nested deeper than {DEEPEST_MACRO}"
        raise Rejected(msg)
