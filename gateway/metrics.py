"""What the gateway counts, as Prometheus reads it: gathered when asked, nothing kept twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, structs
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Counts = Callable[[], Iterable[tuple[str, Struct]]]
Gauges = Callable[[], Iterable[tuple[str, str, float]]]


class Metrics(Collector):
    """`counts` gives structs of whole numbers by the name of their part, `gauges` names, help and values of now."""

    def __init__(self, counts: Counts, gauges: Gauges) -> None:
        self._counts = counts
        self._gauges = gauges

    def registry(self) -> CollectorRegistry:
        """A registry of its own, so that a page that is started again registers nothing twice."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for part, counts in self._counts():
            for name, value in structs.asdict(counts).items():
                yield CounterMetricFamily(f"gemelo_{part}_{name}", f"{part}: {name.replace('_', ' ')}", value=value)
        for name, text, number in self._gauges():
            yield GaugeMetricFamily(f"gemelo_{name}", text, value=number)
