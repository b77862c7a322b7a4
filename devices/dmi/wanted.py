"""What is desired of a device, as far as its model lets it be asked. Pure."""

from __future__ import annotations

from twins.errors import Rejected
from twins.kinds import check_declared, read
from twins.values import Twin


def wanted(twin: Twin, *, strict: bool) -> tuple[dict[str, str], list[str]]:
    """The desired values by name, and why others are not passed on; strict passes all on, as KubeEdge does."""
    values: dict[str, str] = {}
    faults: list[str] = []
    for name, p in twin.properties.items():
        if p.deleted or p.desired is None or not p.desired.value:
            continue
        fault = "" if strict else _fault(twin, name, p.desired.value)
        if fault:
            faults.append(f"{name} is not set to {p.desired.value[:64]!r}: {fault}")
        else:
            values[name] = p.desired.value
    return values, faults


def _fault(twin: Twin, name: str, value: str) -> str:
    declared = twin.declared.get(name)
    if declared is None:
        return ""
    if not declared.writable:
        return "it is read only in the device's model"
    try:
        check_declared(name, declared, read(declared.kind, value))
    except Rejected as error:
        return error.reason
    return ""
