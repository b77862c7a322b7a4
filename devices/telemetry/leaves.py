"""The leaves of a tree as the text that twins keep."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from devices.telemetry.frame import DEPTH, NAME
from twins.errors import Rejected

NAMES = f"1 to {NAME} printable characters are, the first no $"
"""What `is_property` takes, for one who is told that a name is none."""


def flat(body: dict[str, object], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Every leaf with its name, `outer.inner`; a list is a leaf. Raises `Rejected`."""
    if depth > DEPTH:
        raise Rejected(f"telemetry is nested deeper than {DEPTH} levels")
    for key, value in body.items():
        name = f"{prefix}{key}"
        if not is_property(name) or not key:
            raise Rejected(f"{name[:NAME]!r} is no name: {NAMES}")
        if isinstance(value, dict):
            yield from flat(value, f"{name}.", depth + 1)
        else:
            yield name, value


def text(value: object) -> str | None:
    """A value as a twin keeps it; a tree as JSON; `None` for nothing. Raises `Rejected` for NaN and infinity."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise Rejected(f"{value} is no value: a number is finite")
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return None if value is None else msgspec.json.encode(value).decode()
    except RecursionError:
        raise Rejected("the value is nested too deeply") from None


def is_property(name: str) -> bool:
    """True for a name that a property may have. What begins with `$` is the gateway's own to say, as `$state`."""
    return 0 < len(name) <= NAME and name.isprintable() and not name.startswith("$")
