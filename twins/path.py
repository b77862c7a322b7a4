"""Where in a tree a value stands: a small part of JSONPath, resolved by walking.

    temperature        ENERGY.Power        sensors[0].t        sensors.*.t        ["a.b"].c        $ (the whole)

A name picks a key, a number an item (of a list) or a key, `*` every one of them. What each `*` stood for is told with
the value, so that it can name the property.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twins.errors import Rejected

_STEP = re.compile(
    r"""\.?(?P<star>\*)|\[\*\](?P<every>)|\[(?P<index>[0-9]{1,9})\]|\[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]"""
    r"""|\.?(?P<name>[^.\[\]*$"'\s][^.\[\]*"']*)"""
)
STEPS = 16
VALUES = 2000
"""Values in one message."""


class Found(NamedTuple):
    """A value, and what each `*` of its path stood for."""

    value: object
    stars: tuple[str, ...] = ()


class Path:
    """One path. Raises `ValueError` with the reason for one that cannot be meant."""

    def __init__(self, text: str) -> None:
        self.steps: tuple[str | int | None, ...] = tuple(_steps(text))
        """Names, indexes, and `None` for each `*`."""

    @classmethod
    def key(cls, name: str) -> Path:
        """The path of a key of the whole, whatever signs it has."""
        path = cls("")
        path.steps = (name,)
        return path

    @property
    def stars(self) -> int:
        return self.steps.count(None)

    @property
    def pattern(self) -> str:
        """A regular expression of the names `outer.inner` of leaves at this path and below."""
        return r"\.".join(self._words) + r"(?:\..+)?"

    @property
    def above(self) -> str:
        """A regular expression of the names of what holds the values at this path."""
        words = self._words
        return "|".join(r"\.".join(words[:n]) for n in range(1, len(words))) or r"(?!)"

    @property
    def _words(self) -> list[str]:
        return [r"[^.]+" if step is None else re.escape(str(step)) for step in self.steps]

    def find(self, body: object) -> Sequence[Found]:
        """Every value that stands there, `None` where the tree has no such place. `Rejected` when they are too many."""
        found = [Found(body)]
        for step in self.steps:
            found = [Found(_at(f.value, step), f.stars) for f in found] if step is not None else _every(found)
        return found


def _at(body: object, step: str | int) -> object:
    if isinstance(body, dict):
        return body.get(str(step))
    if isinstance(body, list):
        index = step if isinstance(step, int) else int(step) if step.isascii() and step.isdigit() else len(body)
        return body[index] if index < len(body) else None
    return None


def _every(found: Sequence[Found]) -> list[Found]:
    """All that is in what was found."""
    every: list[Found] = []
    for body, stars in found:
        if not isinstance(body, dict | list):
            continue
        if len(every) + len(body) > VALUES:
            raise Rejected(f"a path with * leads to more than {VALUES} places")
        items = enumerate(body) if isinstance(body, list) else body.items()
        every += [Found(value, (*stars, str(key))) for key, value in items]
    return every


def _steps(text: str) -> Iterator[str | int | None]:
    at = 1 if text.startswith("$") else 0
    count = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (at == 0 and text[0] == "."):
            reason = f'{text!r} is no path at {text[at : at + 20]!r}: write for example a.b, a[0].b, a.*.b or ["a.b"]'
            raise ValueError(reason)
        at = match.end()
        count += 1
        if count > STEPS:
            reason = f"{text[:60]!r} has more than {STEPS} steps"
            raise ValueError(reason)
        if match["index"] is not None:
            yield int(match["index"])
        elif match["star"] is not None or match["every"] is not None:
            yield None
        else:
            yield match["quoted"] if match["quoted"] is not None else match["name"]
