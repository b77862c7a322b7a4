"""`gemelo-sim line`: the past of a production line whose rate can be foreseen, but not quite.

Shifts, a weekly pattern, drift from day to day, stops and noise; the same seed gives the same line. Times inside are
minutes since a Monday, midnight.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

NAME = "line"
HELP = "the past of a production line, as CSV that `gemelo import` reads"
MONDAY = 345_600
"""The first Monday, in seconds since 1970 UTC."""

DAY, WEEK = 1440, 10080
SHIFTS = ((6 * 60, 14 * 60, 100.0), (14 * 60, 22 * 60, 92.0), (22 * 60, 30 * 60, 64.0))
"""From, to (minutes of the day; beyond 1440 is the next morning), and pieces an hour."""
RAMP = 30
"""Minutes in which a shift gets up to speed."""
STOPS = 1.2
"""A working day has so many on average; each lasts `STOP` minutes on average."""
STOP = 35.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="which line (default 1)")
    parser.add_argument("--weeks", type=int, default=9, help="how long, up to now (default 9)")
    parser.add_argument("--device", default="line-1", help="its name (default line-1)")
    parser.add_argument("--out", type=Path, default=Path("rate.csv"), help="the file to write (default rate.csv)")
    parser.add_argument("--every", type=int, default=5, metavar="MINUTES", help="from value to value (default 5)")


async def run(args: argparse.Namespace) -> int:
    """Write pieces an hour from a Monday on until now."""
    now = int(time.time())
    begin = (now - MONDAY) // 604_800 * 604_800 + MONDAY - args.weeks * 604_800
    with args.out.open("w", encoding="utf-8") as file:
        file.write("time,device,rate\n")
        for minute, rate in enumerate(Line(args.seed).rates((now - begin) // 60)):
            if minute % args.every == 0:
                moment = datetime.fromtimestamp(begin + minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                file.write(f"{moment},{args.device},{rate:.2f}\n")
    return 0


class Line:
    """Pieces an hour, minute by minute."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._drift = 0.0
        self._noise = 0.0
        self._stopped = 0.0
        self._scale = self._random.uniform(0.85, 1.15)

    def rates(self, minutes: int) -> Iterator[float]:
        """From Monday's midnight on."""
        return (self.rate(minute) for minute in range(minutes))

    def rate(self, minute: int) -> float:
        """Of the next minute: ask for one after the other."""
        if minute % DAY == 0:
            self._drift = 0.9 * self._drift + self._random.gauss(0.0, 0.02)
        self._noise = 0.95 * self._noise + self._random.gauss(0.0, 0.015)
        plan = planned(minute)
        if self._stopped > 0:
            self._stopped -= 1
            return 0.0
        if plan and self._random.random() < STOPS / DAY:
            self._stopped = self._random.expovariate(1 / STOP)
        return max(0.0, plan * self._scale * (1 + self._drift) * (1 + self._noise))


def planned(minute: int) -> float:
    """What the shift at work makes when all goes well; nothing from Saturday's 14:00 to Sunday's 22:00."""
    of_week, of_day = minute % WEEK, minute % DAY
    if 5 * DAY + 14 * 60 <= of_week < 6 * DAY + 22 * 60:
        return 0.0
    for begin, end, pace in SHIFTS:
        since = (of_day - begin) % DAY
        if since < end - begin:
            return pace * (0.5 - 0.5 * math.cos(math.pi * since / RAMP)) if since < RAMP else pace
    return 0.0
