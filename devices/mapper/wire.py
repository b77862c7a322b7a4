"""KubeEdge's messages as devices, and readings as its messages. Imported when a mapper runs: it loads protobuf."""

from __future__ import annotations

import logging
import struct
from typing import Any

from google.protobuf import wrappers_pb2
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.device import NANOSECONDS, Device, Method, Property, seconds
from devices.mapper.reports import Reading
from twins.values import Declared

logger = logging.getLogger(__name__)

WRAPPERS: dict[str, Any] = {
    f"google.protobuf.{name}": getattr(wrappers_pb2, name)
    for name in (
        *("StringValue", "BoolValue", "Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
        *("FloatValue", "DoubleValue", "BytesValue"),
    )
}


def device_of(device: pb.Device, model: pb.DeviceModel | None) -> Device:
    """A device merged with its model; without one its properties are text that may be written."""
    spec = device.spec
    declared = {p.name: p for p in model.spec.properties} if model is not None else {}
    name = f"{device.namespace or 'default'}/{device.name}"
    if left_out := [p.name for p in spec.properties if p.HasField("pushMethod")]:
        logger.warning("%s: pushMethod is not carried out by this mapper: %s", name, ", ".join(left_out))
    return Device(
        namespace=device.namespace or "default",
        name=device.name,
        model=spec.deviceModelReference,
        settings=values_of(spec.protocol.configData, f"{name}: protocol"),
        properties={p.name: _property(p, declared.get(p.name), name) for p in spec.properties},
        methods=tuple(Method(m.name, tuple(m.propertyNames)) for m in spec.methods),
        state_cycle=_seconds(device.status.reportCycle, f"{name}: stateReport")
        if device.status.reportToCloud
        else None,
    )


def values_of(data: pb.CustomizedValue, where: str) -> dict[str, Any]:
    """The map of a protocol or a visitor; what is no wrapped scalar is left out, as KubeEdge does, and told."""
    found = {}
    for key, packed in data.data.items():
        value = scalar(packed)
        if value is None:
            logger.warning("%s: %s holds %s, which is no plain value: left out", where, key, packed.type_url)
        else:
            found[key] = value
    return found


def scalar(packed: Packed) -> Any:
    """A wrapped scalar, `None` for anything else. EdgeCore sends all numbers as 32-bit floats: 9600.0 is 9600 again."""
    kind = packed.type_url.rpartition("/")[2]
    wrapper = WRAPPERS.get(kind)
    if wrapper is None:
        return None
    try:
        value = wrapper.FromString(packed.value).value
    except DecodeError:
        return None
    if not isinstance(value, float):
        return value
    value = _shortest(value) if kind.endswith(".FloatValue") else value
    return int(value) if value.is_integer() else value


def status_of(items: dict[str, Reading]) -> pb.DeviceStatus:
    """Readings as a report. Both sides are always there: EdgeCore dies of a missing one."""
    return pb.DeviceStatus(twins=[_twin(name, reading) for name, reading in items.items()])


def _twin(name: str, reading: Reading) -> pb.Twin:
    stamp = {"type": reading.kind, "timestamp": str(reading.at // 1000)}
    return pb.Twin(
        propertyName=name,
        observedDesired=pb.TwinProperty(value=reading.desired, metadata=stamp),
        reported=pb.TwinProperty(value=reading.text, metadata=stamp),
    )


def _property(own: pb.DeviceProperty, base: pb.ModelProperty | None, device: str) -> Property:
    where = f"{device}: {own.name}"
    return Property(
        name=own.name,
        declared=Declared(
            kind=(base.type.lower() if base is not None else "") or "string",
            writable=base is None or base.accessMode != "ReadOnly",
            desired=own.desired.value or None,
            minimum=_bound(base.minimum, where) if base is not None else None,
            maximum=_bound(base.maximum, where) if base is not None else None,
            unit=base.unit if base is not None else "",
        ),
        visitor=values_of(own.visitors.configData, where),
        cycle=_seconds(own.collectCycle, f"{where}: collectCycle"),
        reported=own.reportToCloud,
    )


def _seconds(cycle: int, where: str) -> float:
    found = seconds(cycle)
    if cycle >= NANOSECONDS:
        logger.warning("%s = %d is probably meant in nanoseconds, and read so: %g s", where, cycle, found)
    return found


def _bound(text: str, where: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        logger.warning("%s: the bound %r of its model is no number: not checked", where, text)
        return None


def _shortest(value: float) -> float:
    """The shortest decimal number that is this 32-bit float: 0.1, not 0.10000000149011612."""
    packed = struct.pack("f", value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == packed:
            return short
    return value
