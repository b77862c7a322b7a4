"""Sparkplug's datatypes and what they are to a twin: type, bounds, and values as text, both ways. Pure.

The numbers are those of the specification's table of datatypes. A twin's `int` has 64 bits with a sign, so a UInt64 is
a `double`, whose text keeps every digit. A DateTime is milliseconds since 1970, bytes are base64, an array is JSON.
Data sets and templates have no value here.
"""

from __future__ import annotations

import base64
import math
import struct
from functools import lru_cache

import msgspec
from msgspec import Struct

from twins.errors import Rejected

Raw = bool | int | float | str | bytes
"""A value as the payload has it: integers unsigned."""
LONGEST = 4096
"""Entries of an array: more would not fit into the text of a value."""
BOOLEAN = 11
INT64 = 4
_UINT64 = 8
_FLOAT = 9
_DOUBLE = 10
_BOOLEANS = 32
_STRINGS = 33
_SIZES = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64, 13: 64}
_SIGNED = frozenset({1, 2, 3, 4})
_TEXTS = frozenset({12, 14, 15})
_BYTES = frozenset({17, 18})
_ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "Q"}
_PACKED = frozenset({*_ARRAYS, _BOOLEANS, _STRINGS})


class Type(Struct, frozen=True):
    """How a DeviceModel declares a datatype; bounds are empty where the type has none of its own."""

    type: str
    minimum: str = ""
    maximum: str = ""
    writable: bool = True


@lru_cache(64)
def declared(datatype: int) -> Type | None:
    """What a datatype is to a twin; `None` for one whose values are left out."""
    if datatype in _SIZES:
        low, high = _bounds(datatype)
        kind = "DOUBLE" if datatype == _UINT64 else "INT"
        return Type(kind, str(low), str(high)) if _SIZES[datatype] < 64 else Type(kind)
    if datatype in _BYTES:
        return Type("BYTES")
    if datatype in _PACKED:
        return Type("STRING", writable=False)
    named = {_FLOAT: "FLOAT", _DOUBLE: "DOUBLE", BOOLEAN: "BOOLEAN"} | dict.fromkeys(_TEXTS, "STRING")
    return Type(named[datatype]) if datatype in named else None


def text(datatype: int, raw: Raw) -> str | None:
    """A value as a twin keeps it; `None` for NaN and infinity, which are none. Raises `Rejected` where it is another's.

    A signed number may be a two's complement of its own size or, as most write it, of the field's.
    """
    kind = type(raw)
    if datatype in _SIZES and kind is int:
        return str(_integer(datatype, int(raw)))
    if datatype in (_FLOAT, _DOUBLE) and kind is float:
        return _shortest(float(raw), single=datatype == _FLOAT)
    if datatype == BOOLEAN and kind is bool:
        return "true" if raw else "false"
    if datatype in _TEXTS and isinstance(raw, str):
        return raw
    if isinstance(raw, bytes) and datatype in _BYTES:
        return base64.b64encode(raw).decode()
    if isinstance(raw, bytes) and datatype in _PACKED:
        return _unpacked(datatype, raw)
    raise _mismatch(datatype, raw)


def value(datatype: int, said: str) -> Raw:
    """What a command says, of a twin's text; integers are signed. Raises `Rejected` for what does not fit."""
    try:
        if datatype in _SIZES:
            low, high = _bounds(datatype)
            if low <= (number := int(said)) <= high:
                return number
        elif datatype in (_FLOAT, _DOUBLE):
            real = float(said)
            struct.pack("<f" if datatype == _FLOAT else "<d", real)  # or it overflows
            if math.isfinite(real):
                return real
        elif datatype == BOOLEAN and said in ("true", "false"):
            return said == "true"
        elif datatype in _TEXTS:
            return said
        elif datatype in _BYTES:
            return base64.b64decode(said, validate=True)
    except (ValueError, OverflowError):
        pass
    raise Rejected(f"{said[:40]!r} is no value of Sparkplug's datatype {datatype}")


def field(datatype: int, said: Raw) -> tuple[str, Raw]:
    """The field of a metric for a value, and what stands there."""
    match said:
        case bool():
            return "boolean_value", said
        case int():
            wide = _SIZES[datatype] == 64
            return "long_value" if wide else "int_value", said % (1 << (64 if wide else 32))
        case float():
            return "float_value" if datatype == _FLOAT else "double_value", said
        case str():
            return "string_value", said
    return "bytes_value", said


def _bounds(datatype: int) -> tuple[int, int]:
    size = _SIZES[datatype]
    return (-(1 << size - 1), (1 << size - 1) - 1) if datatype in _SIGNED else (0, (1 << size) - 1)


def _integer(datatype: int, raw: int) -> int:
    low, high = _bounds(datatype)
    if raw > high and datatype in _SIGNED:
        for size in (_SIZES[datatype], 32, 64):
            if low <= raw - (1 << size) < 0:
                return raw - (1 << size)
    if not low <= raw <= high:
        raise _mismatch(datatype, raw)
    return raw


def _shortest(number: float, *, single: bool) -> str | None:
    """The fewest digits that are the number, in its own precision."""
    if not math.isfinite(number):
        return None
    if single:
        same = struct.pack("<f", number)
        for digits in range(6, 9):
            if struct.pack("<f", float(said := f"{number:.{digits}g}")) == same:
                return said
        return f"{number:.9g}"
    return repr(number)


def _unpacked(datatype: int, raw: bytes) -> str:
    """An array as JSON: little-endian numbers, bits after their count, or texts that end in zeros."""
    values: list[object]
    size = struct.calcsize(_ARRAYS.get(datatype, "B"))
    if len(raw) > (4 + LONGEST // 8 if datatype == _BOOLEANS else LONGEST * size):
        raise Rejected(f"an array of {len(raw)} bytes has no room in a twin's value")
    try:
        if datatype == _STRINGS:
            values = list(raw.decode().split("\0")[:-1])
        elif datatype == _BOOLEANS:
            count = int.from_bytes(raw[:4], "little")
            bits = [bool(byte >> place & 1) for byte in raw[4:] for place in range(7, -1, -1)]
            if len(raw) != 4 + (count + 7) // 8:
                raise _mismatch(datatype, raw)
            values = list(bits[:count])
        else:
            values = [each for (each,) in struct.iter_unpack(f"<{_ARRAYS[datatype]}", raw)]
    except (struct.error, UnicodeDecodeError):
        raise _mismatch(datatype, raw) from None
    return msgspec.json.encode(values).decode()


def _mismatch(datatype: int, raw: Raw) -> Rejected:
    return Rejected(f"{str(raw)[:40]!r} is no value of Sparkplug's datatype {datatype}")
