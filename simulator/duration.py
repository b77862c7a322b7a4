"""Durations as people write them."""

from __future__ import annotations

import argparse

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """`90`, `90s`, `1.5m`, `250ms` to seconds."""
    for unit, factor in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * factor
    if text.replace(".", "", 1).isdigit():
        return float(text)
    msg = f"{text!r} is no duration: write 30s, 1.5m or 2h"
    raise argparse.ArgumentTypeError(msg)
