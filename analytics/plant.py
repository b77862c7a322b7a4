"""A plant that is made up: presses that wear out, break and are mended, second by second.

    python -m analytics.plant plant.csv --devices 8 --hours 3

Wear grows by chance; with it vibration and its spread, temperature and current. A press whose wear reaches 1 stands
still for five minutes (`failed` is 1) and begins anew. The same seed makes the same plant.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)
COLUMNS = ("time", "device", "vibration", "temperature", "current", "failed")
STILL = 300
"""Seconds that a broken press stands still."""

Row = tuple[str, str, float, float, float, int]


def press(name: str, seconds: int, seed: int) -> Iterator[Row]:
    """One press, a row a second."""
    dice = random.Random(seed)
    pace = dice.uniform(0.6, 1.4) / 3600
    wear, mended = dice.uniform(0.0, 0.6), -1
    temperature = 40.0
    for second in range(seconds):
        if second < mended:
            vibration, current = 0.02, 0.3
        else:
            wear += pace * dice.uniform(0.0, 2.0)
            spread = 0.05 + 0.35 * max(0.0, wear - 0.6)
            vibration = abs(dice.gauss(0.6 + 1.8 * max(0.0, wear - 0.5), spread))
            current = dice.gauss(9.0 + 3.0 * wear, 0.2)
        temperature += (25.0 + 4.0 * current - temperature) / 600
        failed = int(second < mended)
        at = (START + timedelta(seconds=second, milliseconds=dice.randrange(40))).isoformat()
        yield at, name, round(vibration, 3), round(temperature, 1), round(current, 2), failed
        if wear >= 1.0 and not failed:
            mended, wear = second + STILL, 0.0


def write(path: Path, devices: int, hours: float, seed: int = 7) -> int:
    """The whole plant as CSV; the number of its rows."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(devices):
            for row in press(f"press-{n + 1}", int(hours * 3600), seed + n):
                writer.writerow(row)
                rows += 1
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--hours", type=float, default=3.0)
    args = parser.parse_args()
    print(f"{write(args.file, args.devices, args.hours)} rows in {args.file}")
