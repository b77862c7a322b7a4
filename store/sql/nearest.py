"""The nearest known name to a misspelt one."""

from __future__ import annotations

import difflib


def nearest(name: str, names: list[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    close = difflib.get_close_matches(name.lower(), names, 1, 0.5)
    return f" (did you mean {close[0]}?)" if close else ""
