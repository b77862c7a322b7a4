"""Comparing what came with what is expected, as JSON: keys in any order, and places for what no test can know."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any


class Place:
    """Stands in an expected body for any value that `fits`."""

    def __init__(self, name: str, fits: Callable[[Any], bool]) -> None:
        self._name = name
        self.fits = fits

    def __repr__(self) -> str:
        return f"<{self._name}>"


def starts(text: str) -> Place:
    """A text that goes on as ours does, not as Go's."""
    return Place(f"{text}…", lambda value: isinstance(value, str) and value.startswith(text))


class Text(Place):
    """A string that holds JSON like `body`."""

    __match_args__ = ("body",)

    def __init__(self, body: object) -> None:
        super().__init__(
            f"text of {body}", lambda value: isinstance(value, str) and not differs(body, json.loads(value))
        )
        self.body = body


def is_uuid(value: object) -> bool:
    """True for a UUID as it is written."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


NOW = Place("now", lambda value: type(value) is int and value > 1_700_000_000_000)
UUID = Place("uuid", is_uuid)
TIME = Place(
    "time", lambda value: isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value))
)
ANY = Place("any", lambda value: True)


def differs(expected: Any, found: Any, where: str = "$") -> str:
    """Where and how the two differ, in words; empty when they don't."""
    if isinstance(expected, Place):
        return "" if expected.fits(found) else f"{where}: {found!r} is not {expected!r}"
    if type(expected) is not type(found):
        return f"{where}: {found!r}, expected {expected!r}"
    if isinstance(expected, dict):
        if expected.keys() != found.keys():
            return f"{where}: keys {sorted(found)}, expected {sorted(expected)}"
        return next(filter(None, (differs(expected[k], found[k], f"{where}.{k}") for k in expected)), "")
    if isinstance(expected, list | tuple):
        if len(expected) != len(found):
            return f"{where}: {len(found)} entries, expected {len(expected)}"
        pairs = enumerate(zip(expected, found, strict=True))
        return next(filter(None, (differs(e, f, f"{where}[{n}]") for n, (e, f) in pairs)), "")
    return "" if expected == found else f"{where}: {found!r}, expected {expected!r}"
