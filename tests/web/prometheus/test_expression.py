"""PromQL through SQL says what Prometheus' own rules say, worked out point by point."""

from __future__ import annotations

import math
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from store.sql.guard import guard
from tests.store import history
from tests.store.history import START
from twins.errors import Rejected
from twins.exchange import Point
from web.prometheus.expression import matchers, translated
from web.prometheus.vector import LOOKBACK, Steps, Vector

pytest.importorskip("promql_parser")

SECOND = 1_000_000
Series = dict[tuple[str, str, str], list[tuple[int, float]]]
"""Times and values by namespace, device and property."""


def fleet(chance: random.Random) -> list[Point]:
    found = {}
    for series in ("default/t-1/temperature", "default/t-2/temperature", "plant/t-1/temperature", "default/t-1/total"):
        level = 0.0
        for _ in range(150):
            at = START + chance.randint(0, 1800) * SECOND + chance.choice((0, 0, 1, 500_000))
            level = 0.0 if chance.random() < 0.05 else level + chance.random() * 10
            found[series, at] = Point(
                series, at, at, round(level, 3) if series.endswith("total") else chance.gauss(20, 3), None
            )
    found["default/t-1/mode", START] = Point("default/t-1/mode", START + 5 * SECOND, 1, None, "auto")
    return list(found.values())


def by_series(points: Sequence[Point]) -> Series:
    series: Series = defaultdict(list)
    for point in sorted(points, key=lambda point: point.at):
        if point.number is not None:
            series[tuple(point.series.split("/", 2))].append((point.at, point.number))  # type: ignore[index]
    return series


def rated(window: list[tuple[int, float]], since: int, until: int, name: str) -> float | None:
    """As `extrapolatedRate` of Prometheus 3 has it."""
    if len(window) < 2:
        return None
    gain = window[-1][1] - window[0][1]
    if name != "delta":
        gain += sum(a[1] for a, b in pairwise(window) if b[1] < a[1])
    head, tail = (window[0][0] - since) / 1e6, (until - window[-1][0]) / 1e6
    span = (window[-1][0] - window[0][0]) / 1e6
    gap = span / (len(window) - 1)
    if name != "delta" and gain > 0 and window[0][1] >= 0:
        head = min(head, span * window[0][1] / gain) if head < gap * 1.1 else min(gap / 2, span * window[0][1] / gain)
    elif head >= gap * 1.1:
        head = gap / 2
    if tail >= gap * 1.1:
        tail = gap / 2
    whole = gain * (span + head + tail) / span
    return whole / ((until - since) / 1e6) if name == "rate" else whole


OVER: dict[str, Callable[[list[float]], float]] = {
    "avg_over_time": lambda values: math.fsum(values) / len(values),
    "min_over_time": min,
    "max_over_time": max,
    "sum_over_time": math.fsum,
    "count_over_time": len,
    "last_over_time": lambda values: values[-1],
}


def over(series: Series, name: str, steps: Steps, width: int, offset: int = 0) -> dict[tuple[Any, ...], float]:
    """Each series and step with the function's value."""
    found = {}
    for key, values in series.items():
        for k in range(steps.count):
            until = steps.start + k * steps.step - offset
            window = [(at, value) for at, value in values if until - width < at <= until]
            if window:
                value = (
                    OVER[name]([v for _, v in window]) if name in OVER else rated(window, until - width, until, name)
                )
                if value is not None:
                    found[*key, k] = value
    return found


def asked(past: history.History, text: str, steps: Steps) -> dict[tuple[Any, ...], float]:
    vector = translated(text, steps)
    assert isinstance(vector, Vector)
    columns = [column for column in ("namespace", "device", "property") if column in _columns(vector)]
    query = f"SELECT {', '.join([*columns, 'k', 'v'])} FROM ({vector.sql})"
    return {row[:-1]: row[-1] for row in past.ask(guard(query), *vector.parameters)[0]}


def _columns(vector: Vector) -> set[str]:
    return {"property" if label == "__name__" else label for label in vector.labels}


def same(one: dict[tuple[Any, ...], float], other: dict[tuple[Any, ...], float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[k], other[k], rel_tol=1e-9, abs_tol=1e-9) for k in one)


@pytest.fixture
def past(tmp_path: Path) -> history.History:
    chance = random.Random(7)
    past = history.History(tmp_path)
    points = fleet(chance)
    past.seal(points[:300])
    past.remember(points[300:])
    return past


STEPS = Steps(START + 60 * SECOND, 45 * SECOND, 40)


def test_a_selector_is_the_last_value_of_five_minutes(past: history.History) -> None:
    series = by_series(past.points)
    wanted = over(series, "last_over_time", STEPS, LOOKBACK)
    assert same(asked(past, '{__name__=~".+"}', STEPS), wanted)
    one = {key: value for key, value in wanted.items() if key[:3] == ("default", "t-1", "temperature")}
    assert same(asked(past, 'temperature{device="t-1",namespace!="plant"}', STEPS), one)
    late = over(series, "last_over_time", STEPS, LOOKBACK, 600 * SECOND)
    assert same(asked(past, '{__name__=~".+"} offset 10m', STEPS), late)


@pytest.mark.parametrize("name", [*OVER, "rate", "increase", "delta"])
@pytest.mark.parametrize("width", [20, 45, 60, 180])
def test_a_function_of_a_window_is_that_of_the_values_in_it(past: history.History, name: str, width: int) -> None:
    wanted = over(by_series(past.points), name, STEPS, width * SECOND)
    assert same(asked(past, f'{name}({{__name__=~".+"}}[{width}s])', STEPS), wanted)


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        ('device="t-1"', {"t-1"}),
        ('device!="t-1"', {"t-2"}),
        ('device=~"t-."', {"t-1", "t-2"}),
        ('device=~"t"', set()),
        ('device!~".*1"', {"t-2"}),
        ('node="edge-1"', {"t-1", "t-2"}),
        ('job=""', {"t-1", "t-2"}),
        ('job="x"', set()),
        ('job!~"x"', {"t-1", "t-2"}),
        ('device="\' OR true --"', set()),
    ],
)
def test_matchers_choose_series(past: history.History, matcher: str, found: set[str]) -> None:
    steps = Steps(START + 1800 * SECOND, SECOND, 1)
    rows = asked(past, f"last_over_time(temperature{{{matcher}}}[1h])", steps)
    assert {key[1] for key in rows} == found


def test_a_regular_expression_may_name_hundreds_of_devices(past: history.History) -> None:
    names = "|".join(f"t-{number}" for number in range(500))
    rows = asked(past, f'temperature{{device=~"{names}"}}', Steps(START + 1800 * SECOND, SECOND, 1))
    assert {key[1] for key in rows} == {"t-1", "t-2"}


def test_aggregates_bring_series_together(past: history.History) -> None:
    series = {key: values for key, values in by_series(past.points).items() if key[2] == "temperature"}
    groups: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for (_, device, _, k), value in over(series, "avg_over_time", STEPS, 300 * SECOND).items():
        groups[device, k].append(value)
    wanted = {key: math.fsum(values) / len(values) for key, values in groups.items()}
    assert same(asked(past, "avg by (device) (avg_over_time(temperature[5m]))", STEPS), wanted)
    assert same(asked(past, "avg without (namespace, node) (avg_over_time(temperature[5m]))", STEPS), wanted)
    count = asked(past, "count(avg_over_time(temperature[5m]))", STEPS)
    assert count[0,] == sum(len(values) for (_, k), values in groups.items() if k == 0)


def test_arithmetic_and_comparisons_with_numbers(past: history.History) -> None:
    plain = asked(past, "temperature", STEPS)
    for text, wanted in (
        ("temperature * 2 + 1", {key: value * 2 + 1 for key, value in plain.items()}),
        ("100 - temperature", {key: 100 - value for key, value in plain.items()}),
        ("-temperature", {key: -value for key, value in plain.items()}),
        ("temperature > 20", {key: value for key, value in plain.items() if value > 20}),
        ("20 > temperature", {key: value for key, value in plain.items() if value < 20}),
        ("temperature > bool 20", {key: float(value > 20) for key, value in plain.items()}),
    ):
        assert same(asked(past, text, STEPS), wanted), text
    assert translated("1 + 1", STEPS) == 2.0
    assert math.isnan(translated("1 / 0 * 0", STEPS))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("", "temperature{", "rate(temperature)", "topk(3, temperature)", "a + b", "a and b", "temperature @ 5"),
        *("histogram_quantile(0.9, x)", "avg_over_time(x[1h:5m])", "temperature[5m]", "time()", '"text"', "absent(x)"),
        *("quantile(0.9, x)", 'x{a=~"("}', "(" * 3000 + "x" + ")" * 3000, "x" * 21_000, "-" * 4000 + "x", "1 == 1"),
        *("sum(1)", "label_replace(x, 'a', 'b', 'c', 'd')", "x; DROP TABLE points", "x -- '"),
    ],
)
def test_what_is_not_there_is_refused_in_words(text: str) -> None:
    with pytest.raises(Rejected) as refusal:
        translated(text, STEPS)
    assert re.search("supported|invalid|nested", refusal.value.reason)


def test_nothing_takes_long_to_read() -> None:
    for text in ('"' + '\\"' * 9000, "'" * 19_000, "x{a=~'" + "(a*)*" * 3000 + "'}", '"(' * 6000, "1+" * 99 + "1"):
        began = time.thread_time()
        with suppress(Rejected):
            translated(text, STEPS)
        assert time.thread_time() - began < 1.0, text[:20]


def test_a_selector_of_series_is_nothing_else() -> None:
    assert [one.label for one in matchers('temperature{device="a"}')] == ["__name__", "device"]
    with pytest.raises(Rejected):
        matchers("rate(x[5m])")
