"""What trials are made on, and how its values stand to those of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from learning.tuning.campaign import Campaign
from learning.tuning.manifest import Tuning
from learning.tuning.space import Axis, Configuration, number_of
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity

Settings = Mapping[tuple[str, str], str]
"""Desired values by device and property."""


class Ground(Protocol):
    """What trials are made on."""

    def asked(self, device: str, name: str) -> str | None:
        """What is desired of a property, or where nothing is, reported."""
        ...

    def reported(self, device: str, name: str) -> str | None: ...

    async def keep(self, name: str, body: bytes, settings: Settings, severity: Severity, message: str) -> None:
        """The campaign, what is desired and an event that says so: one commit. Raises `Rejected`, `Unavailable`."""
        ...


def settings(manifest: Tuning, before: Configuration, after: Configuration) -> Settings:
    """What is to be desired so that the one becomes the other."""
    return {p: new for p, old, new in zip(manifest.properties, before, after, strict=True) if old != new}


def found(manifest: Tuning, ground: Ground) -> Configuration:
    """The values as they are. Raises `Unavailable`."""
    values = []
    for device, name in manifest.properties:
        value = ground.asked(device, name)
        if value is None:
            raise Unavailable(f"{device}/{name} has no value yet")
        values.append(value)
    return tuple(values)


def fitting(manifest: Tuning, ground: Ground) -> Configuration:
    """The same, if they are values that the parameters may have. Raises `Rejected`, `Unavailable`."""
    values = found(manifest, ground)
    for (device, each), axis, value in zip(manifest.properties, manifest.axes, values, strict=True):
        if not axis.holds(value):
            message = f"{device}/{each} is {value[:100]!r}, which is none of its values: set another first"
            raise Rejected(message)
    return values


def moved(manifest: Tuning, ground: Ground, campaign: Campaign) -> bool:
    """Whether what is desired is not what was set."""
    return not all(map(_same, manifest.axes, found(manifest, ground), campaign.values))


def drift(manifest: Tuning, ground: Ground, campaign: Campaign) -> str:
    """In words, what the device has not taken; empty for nothing."""
    for axis, (device, name), value in zip(manifest.axes, manifest.properties, campaign.values, strict=True):
        reported = ground.reported(device, name)
        if reported is not None and not _same(axis, reported, value):
            return f"{device}/{name} is reported as {reported[:100]}, not {value}"
    return ""


def said(manifest: Tuning, values: Configuration) -> str:
    """A configuration, for people."""
    return ", ".join(f"{p} {v}" for (_, p), v in zip(manifest.properties, values, strict=True))


def _same(axis: Axis, one: str, other: str) -> bool:
    """Whether two values are the same, to half a step."""
    if axis.choices:
        return one == other
    a, b = number_of(one), number_of(other)
    return a is not None and b is not None and abs(a - b) <= axis.step / 2
