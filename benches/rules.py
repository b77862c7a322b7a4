"""How many inputs a second do the rules take, over 1,000 keyed instances, in memory and without a commit?

Mixes: nothing changes (the value repeats), the value changes every time (state is to be written), every input takes a
transition, of which every second commands a pump; and conditions over windows that hold 100 values: one average, then
an average, a maximum and a 95th percentile. Then: what a fact costs that concerns no rule, the memory of many
instances, and their restart. Run it from the root: `python -m benches.rules`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benches.figures import Figure, resident, show
from rules.instructions import Keep
from rules.manifest.detector import Detector, decode
from rules.rules import Rules
from twins.instructions import Fact

INSTANCES = 1_000
ROUNDS = 20
MANY = 100_000


def detector(hot: str = "temperature > limit && temperature < 1000.0") -> Detector:
    pump = {"device": 'pump-${part(device, "-", 1)}', "property": "speed", "value": "80.0"}
    normal = [{"to": "Hot", "when": hot}]
    cool = [{"to": "Normal", "when": "temperature < limit - 5.0"}]
    return decode(
        {
            "metadata": {"name": "overheat"},
            "spec": {
                "inputs": {"temperature": {"device": "thermometer-*", "property": "temperature"}},
                "variables": {"limit": 60},
                "initial": "Normal",
                "states": {
                    "Normal": {"onInput": {"transitions": normal}},
                    "Hot": {"onEnter": {"events": [{"do": [{"set": pump}]}]}, "onInput": {"transitions": cool}},
                },
            },
        }
    )


def facts(value: float, count: int = INSTANCES, name: str = "temperature") -> list[Fact]:
    return [Fact(f"default/thermometer-{n}", "bench:1:1", name, str(value), value, 0, 0) for n in range(count)]


def rate(rules: Rules, rounds: list[list[Fact]], now: int = 1_000_000) -> float:
    """Inputs a second: the best of three runs. From round to round a second goes by."""
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for batch in rounds:
            now += 1_000_000
            for fact in batch:
                rules.handle(fact, now)
            rules.changes()
        best = max(best, len(rounds) * len(rounds[0]) / (time.perf_counter() - began))
    return best


def rates() -> dict[str, float]:
    rules = Rules()
    rules.apply(detector())
    mixes: dict[str, list[list[Fact]]] = {
        "value repeats": [facts(20.0)] * ROUNDS,
        "value changes": [facts(20.0 + n) for n in range(ROUNDS)],
        "transition and command": [facts(99.0), facts(20.0)] * (ROUNDS // 2),
        "concerns no rule": [facts(20.0, name="humidity")] * ROUNDS,
    }
    return {name: rate(rules, rounds) for name, rounds in mixes.items()} | {
        "average of a window": windowed("avg(temperature, '100s') > limit"),
        "three functions of a window": windowed(
            "avg(temperature, '100s') > limit || max(temperature, '100s') > 999.0 "
            "|| percentile(temperature, '100s', 95.0) > 99.0"
        ),
    }


def windowed(condition: str) -> float:
    """As `rate`, with windows that are full and let go of a value with each that they take."""
    rules = Rules()
    rules.apply(detector(condition))
    for second in range(100):
        for fact in facts(20.0 + second % 7):
            rules.handle(fact, second * 1_000_000)
    rules.changes()
    return rate(rules, [facts(20.0 + n % 7) for n in range(ROUNDS)], 100_000_000)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def restart() -> tuple[float, float]:
    """Megabytes that `MANY` instances add, and seconds to restore them with a timer each."""
    rules = Rules()
    rules.apply(detector())
    before = resident()
    states: dict[str, bytes] = {}
    for fact in facts(20.0, MANY):
        rules.handle(fact, 0)
    states |= {each.key: each.body for each in rules.changes() if isinstance(each, Keep)}
    grown = resident() - before
    timers = {f"{key}#x": (1, b"") for key in states}
    again = Rules()
    again.apply(detector())
    return grown, timed(lambda: again.restore(states, timers))


def main(quick: bool = False) -> list[Figure]:
    """Inputs a second on one core, memory and restart."""
    del quick  # some seconds
    figures = [Figure(f"rules: {INSTANCES} instances, {name}", value, "inputs/s") for name, value in rates().items()]
    grown, seconds = restart()
    figures += [
        Figure(f"rules: memory of {MANY:,} instances, with facts and kept bytes", grown, "MB"),
        Figure(f"rules: {MANY:,} instances restored, a timer each", seconds, "s"),
    ]
    show("rules: facts through one detector", figures)
    return figures


if __name__ == "__main__":
    main()
