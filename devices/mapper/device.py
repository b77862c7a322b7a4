"""A device as its manager describes it, without the wire: what to read, how often, what is asked of it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from twins.values import Declared, device_id

NANOSECONDS = 10**7
"""A cycle from here on is taken for nanoseconds, as in KubeEdge's older samples: in milliseconds it would be 3 h."""
SHORTEST = 0.01
"""Seconds; a shorter cycle is lengthened to it."""


class Property(Struct, frozen=True):
    """One property. `visitor` says how it is reached; `cycle` is seconds."""

    name: str
    declared: Declared = Declared()
    visitor: dict[str, Any] = {}
    cycle: float = 1.0
    reported: bool = False


class Method(Struct, frozen=True):
    """A method that writes properties."""

    name: str
    properties: tuple[str, ...] = ()


class Device(Struct, frozen=True):
    """One device, merged with its model. `state_cycle` is seconds, `None` when its state is told only as it changes."""

    namespace: str
    name: str
    model: str = ""
    settings: dict[str, Any] = {}
    properties: dict[str, Property] = {}
    methods: tuple[Method, ...] = ()
    state_cycle: float | None = None

    @property
    def id(self) -> str:
        return device_id(self.namespace, self.name)


def seconds(cycle: int) -> float:
    """A cycle of KubeEdge in seconds: milliseconds, 0 or less is one second, 10⁷ or more are nanoseconds."""
    if cycle <= 0:
        return 1.0
    return max(SHORTEST, cycle / (1e9 if cycle >= NANOSECONDS else 1e3))


def wanted(old: Device | None, new: Device) -> dict[str, str]:
    """Desired values that must be written: those that changed, or all of them when it is another device now."""
    same = old.properties if old is not None and old.settings == new.settings else {}
    return {
        name: own.declared.desired
        for name, own in new.properties.items()
        if own.declared.desired and own.declared.writable and not _agrees(same.get(name), own)
    }


def _agrees(old: Property | None, new: Property) -> bool:
    return old is not None and (old.declared.desired, old.visitor) == (new.declared.desired, new.visitor)
