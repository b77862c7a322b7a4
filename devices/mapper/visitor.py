"""How each property of a device is reached, decoded as its driver wants it."""

from __future__ import annotations

from typing import Any

from devices.mapper import stream
from devices.mapper.device import Property
from devices.mapper.driver import Driver
from twins.schema import decode


class Visitors:
    """The visitors of one device, each decoded once."""

    def __init__(self, kind: type[Driver[Any, Any]]) -> None:
        self._type = kind.visitor_type
        self._decoded: dict[str, Any] = {}

    def of(self, own: Property) -> Any:
        """The visitor of a property, whose own name it has where it names none. Raises `Rejected` for a bad one."""
        if own.name not in self._decoded:
            ours = stream.KEYS if own.declared.kind == "stream" else ()
            data = {key: value for key, value in own.visitor.items() if key not in ours}
            if "property" in getattr(self._type, "__struct_fields__", ()):
                data = {"property": own.name} | data
            self._decoded[own.name] = decode(data, self._type, "visitors.configData", strict=False)
        return self._decoded[own.name]

    def clear(self) -> None:
        """The device is described anew."""
        self._decoded.clear()
