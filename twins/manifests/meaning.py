"""What a Device and its DeviceModel mean for the twin: its properties as they are declared, and its rhythm."""

from __future__ import annotations

from collections.abc import Collection

from twins.liveness import Rhythm, rhythm
from twins.manifests.device import Device
from twins.manifests.model import DeviceModel
from twins.values import Declared


def declared(device: Device, model: DeviceModel | None, withheld: Collection[str] = frozenset()) -> dict[str, Declared]:
    """What a device and its model say of its properties; a property of one of them alone counts too.

    What is desired of those that are `withheld` is left out.
    """
    said: dict[str, Declared] = {}
    for p in model.spec.properties if model is not None else ():
        said[p.name] = Declared(
            kind=p.type.lower(),
            writable=p.access_mode == "ReadWrite",
            minimum=_number(p.minimum),
            maximum=_number(p.maximum),
            unit=p.unit,
        )
    for own in device.spec.properties:
        base = said.get(own.name, Declared())
        waits = own.name in withheld
        wanted = own.desired.value or None if own.desired is not None and not waits else None
        said[own.name] = Declared(base.kind, base.writable, wanted, base.minimum, base.maximum, base.unit, waits)
    return said


def rhythm_of(device: Device) -> Rhythm:
    """How often it is to be heard. Raises `Rejected` for an annotation that can't be read, with its path."""
    spec = device.spec
    cycles = [cycle for p in spec.properties for cycle in (p.report_cycle, p.collect_cycle)]
    cycles += [spec.state_report.report_cycle] if spec.state_report is not None else []
    return rhythm(device.metadata.annotations, cycles)


def _number(text: str) -> float | None:
    """A bound; what is no number bounds nothing."""
    try:
        return float(text)
    except ValueError:
        return None
