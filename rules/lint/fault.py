"""One thing that is wrong with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from twins.errors import Rejected

Level = Literal["error", "warning", "info"]
"""An error is refused; a warning is most likely not meant; an info may well be."""


class Fault(Struct, frozen=True):
    """One thing that is wrong, or looks so: the path of the field and the reason."""

    path: str
    reason: str
    level: Level = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def attempt(path: str, read: Callable[..., object], value: object) -> Iterator[Fault]:
    """A fault where a value cannot be read."""
    try:
        read(value)
    except (ValueError, Rejected) as error:
        yield Fault(path, str(error))
