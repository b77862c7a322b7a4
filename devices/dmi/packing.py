"""Plain values to protobuf messages: a key finds its field whatever its case, as in KubeEdge's own copying."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.protobuf import wrappers_pb2 as wrappers
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from twins.errors import Rejected

Warn = Callable[[str], None]
ANY = "google.protobuf.Any"
FLOAT = 3.4e38
"""The largest float of 32 bits, about."""


class Packing:
    """How values go into messages. `warn` hears of what a mapper will not see as it was written.

    Strict: whole numbers are floats of 32 bits, and collections are refused with their whole device, as in KubeEdge.
    """

    def __init__(self, warn: Warn, *, strict: bool = False) -> None:
        self.warn = warn
        self.strict = strict

    def fill(self, message: Message, values: Mapping[str, Any], where: str = "") -> None:
        """Set fields of `message`; a key without a field is left out. Raises `Rejected` with a value's path."""
        fields = _fields(message.DESCRIPTOR)
        for key, value in values.items():
            found = fields.get(key.lower())
            if found is None or value is None:
                continue
            path = f"{where}.{key}" if where else key
            try:
                self._set(message, found, value, path)
            except (TypeError, ValueError, AttributeError) as error:
                raise Rejected(f"{path}: {str(value)[:80]!r} can't be sent to a mapper: {error}") from None

    def _set(self, message: Message, field: FieldDescriptor, value: Any, where: str) -> None:
        kind = field.message_type
        place = getattr(message, field.name)
        if kind is None and not field.is_repeated:
            setattr(message, field.name, value)
        elif kind is None:
            place.extend(value)
        elif kind.GetOptions().map_entry:
            place.update(value)
        elif field.is_repeated:
            for number, each in enumerate(value):
                self.fill(place.add(), each, f"{where}[{number}]")
        elif _is_free(kind):
            place.SetInParent()
            for key, each in value.items():
                if each is not None:
                    place.data[key].Pack(self._boxed(each, f"{where}.{key}"))
        else:
            place.SetInParent()
            self.fill(place, value, where)

    def _boxed(self, value: Any, where: str) -> Message:
        """A scalar in its wrapper: mappers know those of strings, booleans, integers and floats of 32 bits."""
        match value:
            case bool():
                return wrappers.BoolValue(value=value)
            case str():
                return wrappers.StringValue(value=value)
            case int() if not self.strict and -(2**63) <= value < 2**63:
                return wrappers.Int64Value(value=value)
            case int() | float() if self.strict or (isinstance(value, float) and abs(value) <= FLOAT):
                return wrappers.FloatValue(value=value)
            case _ if self.strict:
                raise Rejected(f"{where}: mappers know no collections, only text, numbers and booleans")
            case _:
                self.warn(f"{where}: mappers know text, booleans and numbers of 64 bits: they get this as JSON text")
                return wrappers.StringValue(value=json.dumps(value, ensure_ascii=False))


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.name.lower(): field for field in descriptor.fields}


@cache
def _is_free(descriptor: Descriptor) -> bool:
    """True for a message that holds whatever settings somebody thought of: one map of `Any`."""
    (first, *others) = descriptor.fields
    entry = first.message_type
    if others or entry is None or not entry.GetOptions().map_entry:
        return False
    held = entry.fields_by_name["value"].message_type
    return held is not None and held.full_name == ANY
