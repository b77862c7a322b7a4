"""Whose a line of InfluxDB's protocol is: a tag names the device, or the measurement and its tags do.

cpu,host=press-1,cpu=cpu0 idle=93.1        press-1      cpu.cpu0.idle
weather,station=roof temp=21.5             weather-roof temp
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devices.telemetry.frame import Frame
from twins.errors import Rejected
from twins.exchange import Sample

NAMING = ("device", "host")
"""Tags that name a device, the first that is there."""
_OTHER = re.compile(r"[^a-z0-9.]+")


def samples(frame: Frame, namespace: str, now: int, naming: Sequence[str] = NAMING) -> Iterator[Sample]:
    """The values of one line; `now`, in microseconds, where it has no time. Raises `Rejected`."""
    assert isinstance(frame.body, dict)  # {measurement: {field: value}}
    ((measurement, fields),) = frame.body.items()
    labels = dict(sorted(frame.labels.items()))
    tag = next((each for each in naming if each in labels), None)
    if tag is None:
        name, prefix = "-".join((measurement, *labels.values())), ""
    else:
        name = labels.pop(tag)
        prefix = ".".join((measurement, *labels.values())) + "."
    device = f"{namespace}/{slug(name)}"
    for field, value in fields.items():
        yield device, f"{prefix}{field}", now if frame.at is None else frame.at, value


def slug(name: str) -> str:
    """A name that a device may have: small letters, digits, hyphens and dots. Raises `Rejected`."""
    found = _OTHER.sub("-", name.lower()).strip("-.")[:253].strip("-.")
    if not found:
        raise Rejected(f"{name[:80]!r} names no device: a letter or digit is needed")
    return found
