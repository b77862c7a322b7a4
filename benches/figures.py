"""What a bench gives: named figures, and the conditions they were measured under."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

VERSIONS = ("msgspec", "mqtt5", "aiomqtt", "uvloop", "aiohttp", "openvino", "grpcio", "duckdb")


class Figure(Struct, frozen=True):
    """One measured number. `target` is what the project promises on a quiet machine, in words; empty without one."""

    name: str
    value: float
    unit: str
    target: str = ""


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print figures, one a line."""
    print(title)
    for figure in figures:
        print(f"  {figure.name:62}{number(figure.value):>12} {figure.unit:8}  {figure.target}".rstrip())


def number(value: float) -> str:
    """Three digits or more, thousands apart."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def conditions() -> dict[str, str]:
    """What the figures depend on besides the code."""
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cpu": processor(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def resident() -> float:
    """Memory of this process in MB (10⁶ bytes)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def rate(work: Callable[[], int], seconds: float) -> float:
    """Items a second: `work` is done over and over for `seconds` in three parts; the best counts, noise only slows."""
    best = 0.0
    for _ in range(3):
        done, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds / 3:
            done += work()
        best = max(best, done / elapsed)
    return best


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of sorted `values` lie; NaN of none."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")
