"""Drivers by name: those that come along, those of others (entry points `gemelo.drivers`), and `module:Class`."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from devices.mapper.driver import Driver
from twins.errors import Rejected
from twins.schema import nearest

GROUP = "gemelo.drivers"
OWN = {name: f"devices.mapper.drivers.{name}:{name.capitalize()}" for name in ("http", "modbus", "virtual")}


def names() -> list[str]:
    """What can be had by name."""
    return sorted({*OWN, *(entry.name for entry in entry_points(group=GROUP))})


def find(name: str) -> type[Driver[Any, Any]]:
    """The driver of that name. Raises `Rejected` when there is none, or it cannot be loaded."""
    where = name if ":" in name else OWN.get(name)
    if where is None:
        where = next((entry.value for entry in entry_points(group=GROUP) if entry.name == name), None)
    if where is None:
        reason = f"no driver {name!r}; {nearest(name, names())}, or write module:Class"
        raise Rejected(reason)
    module, _, attribute = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        reason = f"driver {name!r}: {error}"
        raise Rejected(reason) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        reason = f"driver {name!r}: {where} is no subclass of devices.mapper.Driver"
        raise Rejected(reason)
    return found
