"""Durations as people write them: seconds, or text such as `250ms`, `30s`, `5m`, `1h30m`."""

from __future__ import annotations

import re

Duration = str | float
"""Seconds, or text such as `250ms`, `30s`, `5m`, `1h30m`."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARTS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)")


def microseconds(duration: Duration, least: int = 0) -> int:
    """Read a duration. Raises `ValueError` when it cannot be read or is under `least` microseconds or over 366 days."""
    seconds = float(duration) if isinstance(duration, (int, float)) else _seconds(duration)
    if not least / 1e6 <= seconds <= 366 * 86400:
        msg = f"{duration!r} is not between {least // 1000}ms and 366 days"
        raise ValueError(msg)
    return round(seconds * 1e6)


def _seconds(text: str) -> float:
    parts = _PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f"{text!r} is not a duration; write for example 250ms, 30s, 5m or 1h30m"
        raise ValueError(msg)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
