"""What the fields of a Device and its DeviceModel may say together. Pure; each fault is `path: reason`.

next(device_faults(device, model), None)   # 'spec.properties[2].desired.value: "99" is above the maximum 50 of …'
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from twins.errors import Rejected
from twins.kinds import VALUE_LIMIT, read
from twins.manifests.device import Device, DeviceProperty
from twins.manifests.meaning import rhythm_of
from twins.manifests.model import DeviceModel, ModelProperty
from twins.schema import nearest

NUMBERS = frozenset({"INT", "FLOAT", "DOUBLE"})
_READS = {
    "INT": "a whole number of 64 bits",
    "FLOAT": "a finite number",
    "DOUBLE": "a finite number",
    "BOOLEAN": "true or false",
}


def model_faults(model: DeviceModel) -> Iterator[str]:
    """What is wrong with a model."""
    properties = model.spec.properties
    yield from _names("spec.properties", (p.name for p in properties))
    for index, p in enumerate(properties):
        yield from _bounds(f"spec.properties[{index}]", p)


def device_faults(device: Device, model: DeviceModel | None) -> Iterator[str]:
    """What is wrong with a device, by itself and by its model where that is known."""
    try:
        rhythm_of(device)
    except Rejected as error:
        yield error.reason
    spec = device.spec
    yield from _names("spec.properties", (p.name for p in spec.properties))
    yield from _names("spec.methods", (m.name for m in spec.methods))
    known = None if model is None else {p.name: p for p in model.spec.properties}
    for index, p in enumerate(spec.properties):
        path = f"spec.properties[{index}]"
        yield from _cycles(path, p)
        if known is None or model is None:
            continue
        if p.name not in known:
            yield f"{path}.name: {_unknown(p.name, model, known)}"
        elif p.desired is not None and (fault := desired_fault(p, known[p.name], model)):
            yield f"{path}.desired{fault}"
    if known is None or model is None:
        return
    for index, method in enumerate(spec.methods):
        for place, name in enumerate(method.property_names):
            if name not in known:
                yield f"spec.methods[{index}].propertyNames[{place}]: {_unknown(name, model, known)}"


def withheld(device: Device, model: DeviceModel | None) -> frozenset[str]:
    """Properties whose desired value is not asked: the model does not allow it, or the one that is named is missing."""
    if not device.model:
        return frozenset()
    asked = [p for p in device.spec.properties if p.desired is not None and p.desired.value]
    if model is None:
        return frozenset(p.name for p in asked)
    known = {p.name: p for p in model.spec.properties}
    return frozenset(p.name for p in asked if p.name not in known or desired_fault(p, known[p.name], model))


def desired_fault(p: DeviceProperty, declared: ModelProperty, model: DeviceModel) -> str:
    """Why a desired value can't be, as what follows the path `….desired`; empty when it can."""
    if p.desired is None or not p.desired.value:  # KubeEdge writes an empty one where nothing is desired
        return ""
    name, value = model.metadata.name, p.desired.value
    if declared.access_mode == "ReadOnly":
        return f": {p.name} is ReadOnly in model {name}: nothing can be desired of it"
    if len(value) > VALUE_LIMIT:
        return f".value: {len(value)} characters are more than the {VALUE_LIMIT} allowed"
    try:
        figure = read(declared.type.lower(), value)
    except Rejected:
        return f".value: {_shown(value)} is no {declared.type} ({_READS[declared.type]}), as model {name} wants it"
    if declared.type not in NUMBERS or figure is None:
        return ""
    if (least := _bound(declared.minimum)) is not None and figure < least:
        return f".value: {_shown(value)} is below the minimum {declared.minimum} of model {name}"
    if (most := _bound(declared.maximum)) is not None and figure > most:
        return f".value: {_shown(value)} is above the maximum {declared.maximum} of model {name}"
    return ""


def _names(path: str, names: Iterable[str]) -> Iterator[str]:
    """Empty names, and those that are there twice."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name:
            yield f"{path}[{index}].name: is empty"
        elif name in first:
            yield f"{path}[{index}].name: {_shown(name)} is the name of {path}[{first[name]}] too; keep one of them"
        else:
            first[name] = index


def _bounds(path: str, p: ModelProperty) -> Iterator[str]:
    for side, text in (("minimum", p.minimum), ("maximum", p.maximum)):
        if text and p.type not in NUMBERS:
            yield f"{path}.{side}: {p.name} is a {p.type}, and only INT, FLOAT and DOUBLE have bounds"
        elif text and _bound(text) is None:
            yield f"{path}.{side}: {_shown(text)} is no number"
    least, most = _bound(p.minimum), _bound(p.maximum)
    if p.type in NUMBERS and least is not None and most is not None and least > most:
        yield f"{path}.minimum: {_shown(p.minimum)} is above the maximum {_shown(p.maximum)}"


def _cycles(path: str, p: DeviceProperty) -> Iterator[str]:
    for name, cycle in (("collectCycle", p.collect_cycle), ("reportCycle", p.report_cycle)):
        if cycle < 0:
            yield f"{path}.{name}: {cycle} is negative; cycles are milliseconds"


def _unknown(name: str, model: DeviceModel, known: Iterable[str]) -> str:
    return f"model {model.metadata.name} has no property {_shown(name)}; {nearest(name, known)}"


def _bound(text: str) -> float | None:
    """A finite number, or `None`."""
    try:
        figure = float(text)
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None


def _shown(text: str) -> str:
    """A text in quotes, cut where it is long."""
    return f'"{text if len(text) <= 80 else text[:79] + "…"}"'
