"""What a birth declares: the metrics of a node or device. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from devices.sparkplug import datatype as types
from devices.sparkplug.topic import Place
from devices.telemetry.frame import NAME
from devices.telemetry.leaves import NAMES, is_property
from twins.errors import Rejected

if TYPE_CHECKING:
    from devices.sparkplug.payload import Metric, Payload

BIRTHS = "bdSeq"
"""The metric that numbers a node's sessions."""
_CONTROLS = ("Node Control/", "Device Control/")
"""Metrics that are buttons, not values: pressing one changes nothing that could be reported."""
_READ_ONLY = ("readOnly", "ReadOnly")
_UNITS = ("engUnit", "Engineering Units")
_UNIT = 32


class Definition(Struct, frozen=True):
    """A metric as its birth declares it."""

    name: str
    datatype: int
    kind: str
    alias: int | None
    writable: bool
    unit: str


class Birth(Struct, frozen=True):
    """A device is born: what it consists of."""

    place: Place
    device: str
    metrics: tuple[Definition, ...]


class Born(Struct):
    """What a device was born with; `ignored` are names and aliases of metrics that are no properties."""

    device: str
    by_name: dict[str, Definition]
    by_alias: dict[int, Definition]
    ignored: set[str | int]

    @property
    def size(self) -> int:
        """Metrics that are remembered."""
        return len(self.by_name) + len(self.ignored)

    @staticmethod
    def of(device: str, said: Payload) -> Born:
        """What a birth declares. Raises `Rejected` for one that is not whole."""
        born = Born(device, {}, {}, set())
        for metric in said.metrics:
            d = None if _is_control(metric.name) else _definition(metric)
            if d is None:
                born.ignored.update(each for each in (metric.name, metric.alias) if each is not None)
                continue
            born.by_name[d.name] = d
            if d.alias is not None and born.by_alias.setdefault(d.alias, d) is not d:
                raise Rejected(f"{d.name}: its alias {d.alias} is that of {born.by_alias[d.alias].name} too")
        return born

    def find(self, metric: Metric) -> Definition | None:
        """What a metric is; `None` for one that is no property. Raises `KeyError` for one that was not born."""
        if metric.name:
            return None if metric.name in self.ignored or _is_control(metric.name) else self.by_name[metric.name]
        return None if metric.alias in self.ignored else self.by_alias[-1 if metric.alias is None else metric.alias]


def _definition(metric: Metric) -> Definition | None:
    """`None` for a metric whose datatype a twin cannot hold."""
    if not is_property(metric.name):
        raise Rejected(f"{metric.name[:NAME]!r} is no name of a metric: {NAMES}")
    if not metric.datatype:
        raise Rejected(f"{metric.name}: a birth gives every metric a datatype")
    declared = types.declared(metric.datatype)
    if declared is None:
        return None
    told = metric.properties
    writable = declared.writable and not any(told.get(key) is True for key in _READ_ONLY)
    unit = next((str(told[key]) for key in _UNITS if key in told), "")[:_UNIT]
    return Definition(metric.name, metric.datatype, declared.type.lower(), metric.alias, writable, unit)


def _is_control(name: str) -> bool:
    return name == BIRTHS or name.startswith(_CONTROLS)
