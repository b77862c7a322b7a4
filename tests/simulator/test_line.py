"""The production line: the same seed gives the same, and it has the shape that forecasts are to find."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

from simulator import line
from simulator.cli import parser
from simulator.line import DAY, WEEK, Line, planned


def test_the_same_seed_gives_the_same_line_and_another_another() -> None:
    one, same, other = (list(Line(seed).rates(2000)) for seed in (1, 1, 2))
    assert one == same != other
    assert min(one) >= 0.0


def test_it_has_shifts_a_weekend_and_stops() -> None:
    assert [planned(hour * 60 + 45) for hour in (2, 10, 18)] == [64.0, 100.0, 92.0]
    assert planned(5 * DAY + 15 * 60) == planned(6 * DAY + 12 * 60) == 0.0
    assert planned(6 * DAY + 23 * 60) == 64.0
    rates = list(Line(3).rates(4 * WEEK))
    at_work = [rate for minute, rate in enumerate(rates) if planned(minute) > 60]
    stopped = sum(rate == 0.0 for rate in at_work) / len(at_work)
    assert 0.005 < stopped < 0.08
    assert 60 < statistics.fmean(at_work) < 110


async def test_its_past_is_a_file_that_import_reads(tmp_path: Path) -> None:
    out = tmp_path / "rate.csv"
    args = parser("line").parse_args(["line", "--weeks", "1", "--every", "60", "--out", str(out)])
    assert await line.run(args) == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert 168 <= len(rows) <= 336
    assert rows[0].keys() == {"time", "device", "rate"}
    assert rows[0]["time"].endswith("T00:00:00Z")
