"""Windows against a computation over all values, at each step."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.past.call import Call
from rules.past.past import Past
from rules.past.span import CELLS, CHUNK, Span

SIZE = 5_000_000
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))
steps = st.lists(st.tuples(st.integers(0, 2_000_000), numbers), min_size=1, max_size=120)
FUNCTIONS = ("avg", "min", "max", "sum", "count", "rate", "delta", "stddev")


class Naive:
    """Keeps all values, and computes over a list."""

    def __init__(self) -> None:
        self.values: list[tuple[int, float]] = []

    def fold(self, function: str, now: int, percent: float = 0.0) -> float | None:
        inside = [(at, value) for at, value in self.values if now - SIZE < at <= now]
        found = [value for _, value in inside]
        if function in {"count", "sum"}:
            return float(len(found)) if function == "count" else math.fsum(found)
        if not found or (len(found) < 2 and function in {"delta", "stddev", "rate"}):
            return None
        delta, elapsed = found[-1] - found[0], (inside[-1][0] - inside[0][0]) / 1e6
        match function:
            case "avg":
                return math.fsum(found) / len(found)
            case "min" | "max":
                return min(found) if function == "min" else max(found)
            case "delta":
                return delta
            case "rate":
                return delta / elapsed if elapsed else None
            case "stddev":
                return statistics.stdev(found)
        place = percent / 100 * (len(found) - 1)
        ordered, low = sorted(found), int(place)
        high = ordered[min(low + 1, len(ordered) - 1)]
        return ordered[low] + (high - ordered[low]) * (place - low)


def past_of(*, rows: dict[str, bytes] | None = None) -> Past:
    past = Past(rows)
    past.ask([Call(name, "t", SIZE) for name in FUNCTIONS] + [Call("percentile", "t", SIZE, ordered=True)])
    return past


def near(value: float | None) -> object:
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-4)


def same(past: Past, naive: Naive, now: int) -> None:
    for function in FUNCTIONS:
        assert past.fold(function, "t", SIZE, now) == near(naive.fold(function, now))
    for percent in (0.0, 50.0, 95.0, 100.0):
        assert past.fold("percentile", "t", SIZE, now, percent) == near(naive.fold("percentile", now, percent))


@given(steps)
@settings(deadline=None, max_examples=60)
def test_functions_are_what_a_computation_over_all_values_gives(given_: list[tuple[int, float]]) -> None:
    past, naive, now = past_of(), Naive(), 1_700_000_000_000_000
    for gap, value in given_:
        now += max(gap, SIZE // CELLS + 1)
        past.note("t", value, now)
        naive.values.append((now, value))
        same(past, naive, now)
    same(past, naive, now + SIZE // 2)
    same(past, naive, now + SIZE)


@given(steps, st.integers(0, 119))
@settings(deadline=None, max_examples=60)
def test_a_restart_at_any_time_changes_nothing(given_: list[tuple[int, float]], at: int) -> None:
    past, naive, now = past_of(), Naive(), 1_700_000_000_000_000
    disk: dict[str, bytes] = {}
    for number, (gap, value) in enumerate(given_):
        now += max(gap, SIZE // CELLS + 1)
        past.note("t", value, now)
        naive.values.append((now, value))
        for row, body in past.news().items():
            if body is None:
                del disk[row]
            else:
                disk[row] = body
        if number == at:
            past = past_of(rows=disk)
            assert past.news() == {}
        same(past, naive, now)
    assert disk.keys() == past.rows().keys()


@given(st.lists(st.tuples(st.integers(0, 4000), numbers), min_size=1, max_size=200))
@settings(deadline=None, max_examples=40)
def test_values_that_come_faster_than_cells_are_all_counted_and_leave_together(
    given_: list[tuple[int, float]],
) -> None:
    past, naive, now = past_of(), Naive(), 0
    for gap, value in given_:
        now += gap
        past.note("t", value, now)
        naive.values.append((now, value))
        for function in FUNCTIONS:
            assert past.fold(function, "t", SIZE, now) == near(naive.fold(function, now))
    again = past_of(rows=past.rows())
    for function in FUNCTIONS:
        assert again.fold(function, "t", SIZE, now) == near(past.fold(function, "t", SIZE, now))
    assert past.fold("count", "t", SIZE, now + SIZE) == 0.0


def test_memory_is_bounded_at_any_rate() -> None:
    span = Span(SIZE, ordered=True)
    for number in range(60_000):
        span.add(number * 100, float(number % 100))  # 10,000 a second: 50,000 in the window
    rows = span.rows()
    assert len(rows) <= CELLS // CHUNK + 2
    assert span.tally(6_000_000).n == pytest.approx(50_000, rel=2 / CELLS)
    assert span.percentile(6_000_000, 50.0) == pytest.approx(49.5, abs=10)


def test_a_change_is_a_small_row_whatever_the_window_holds() -> None:
    span = Span(SIZE)
    for number in range(4000):
        span.add(number * 1250, number / 7)
    list(span.news())
    span.add(4000 * 1250, 1.0)
    news = dict(span.news())
    assert len(news) <= 2
    assert sum(len(body or b"") for body in news.values()) < CHUNK * 20


def test_a_large_value_leaves_no_error_behind() -> None:
    span = Span(SIZE)
    span.add(0, 1e300)
    for number in range(1, 50):
        span.add(number * 1_000_000, 0.1)
    assert span.tally(49_000_000).total == pytest.approx(0.5, abs=1e-15)


def test_a_clock_that_goes_back_stands_still() -> None:
    span = Span(SIZE)
    span.add(10_000_000, 1.0)
    span.add(1_000_000, 2.0)
    assert span.tally(2_000_000).n == 2
    assert span.tally(15_000_000).n == 0


def test_rows_that_cannot_be_read_are_left_out_and_deleted() -> None:
    past = past_of()
    past.note("t", 1.0, 5)
    rows = past.rows()
    again = past_of(rows={**rows, f"t/{SIZE}/7": b"\xc1", "gone/5/1": b"", "t": b"\x93", "t/x/y": b""})
    assert again.fold("count", "t", SIZE, 5) == 1.0
    assert again.news() == {f"t/{SIZE}/7": None, "gone/5/1": None, "t": None, "t/x/y": None}
