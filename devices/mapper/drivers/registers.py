"""Registers of Modbus and the values in them: pure, and without pymodbus.

Visitors have the keys of KubeEdge's Modbus mapper. `isSwap` swaps the two bytes of each register, `isRegisterSwap`
reverses the registers of a value; without both the most significant comes first, as Modbus has it. As in KubeEdge's
mapper, `int` and `float` take their width from `limit`, and `int` is unsigned.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from devices.mapper.driver import Scalar
from twins.errors import Rejected

Word = Annotated[int, Meta(ge=0, le=0xFFFF)]
Kind = (
    Literal["int", "float", "double", "string", "boolean"]
    | Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)

BITS = 2000
"""Bits in one request at most, by Modbus."""
REGISTERS = 125
"""Registers in one request at most, by Modbus."""
GAP = 8
"""Registers or bits that nobody asked for and are read rather than make another request."""
FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
    "double": "d",
}
BY_WIDTH = {"int": {1: "H", 2: "I", 4: "Q"}, "float": {2: "f", 4: "d"}}


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    """`visitors.configData` of a property. `offset` counts from 0, as in the protocol (register 40001 has offset 0)."""

    register: Literal["CoilRegister", "DiscreteInputRegister", "InputRegister", "HoldingRegister"]
    offset: Word
    limit: Annotated[int, Meta(ge=0, le=REGISTERS)] = 0
    """Registers of the value; 0: what its type needs."""
    scale: float = 1.0
    """The value is what the registers hold, times this."""
    isSwap: bool = False  # noqa: N815 - KubeEdge's keys
    isRegisterSwap: bool = False  # noqa: N815
    dataType: Kind | None = None  # noqa: N815
    """Absent: `boolean` for bits, `int` for registers."""

    def __post_init__(self) -> None:
        widths = BY_WIDTH.get(self.kind, {self.width: ""})
        if self.limit not in (0, self.width) or (not self.bits and self.width not in widths):
            allowed = " or ".join(map(str, widths))
            reason = f"limit {self.limit} does not go with {self.kind} in {self.register}, which takes {allowed}"
            raise ValueError(reason)

    @property
    def bits(self) -> bool:
        return self.register in {"CoilRegister", "DiscreteInputRegister"}

    @property
    def kind(self) -> str:
        return self.dataType or ("boolean" if self.bits else "int")

    @property
    def width(self) -> int:
        """Bits or registers that it takes."""
        if self.bits:
            return 1
        code = FORMATS.get(self.kind)
        return struct.calcsize(code) // 2 if code else self.limit or (2 if self.kind == "float" else 1)

    @property
    def format(self) -> str:
        """`struct`'s letter for the number; empty for text and booleans."""
        return FORMATS.get(self.kind) or BY_WIDTH.get(self.kind, {}).get(self.width, "")


def neighbourhoods(visitors: Mapping[str, Visitor]) -> list[list[str]]:
    """Names that one request can read: of one kind of register, close to each other, within what Modbus allows."""
    groups: list[list[str]] = []
    last, start, end = "", 0, 0
    for name, visitor in sorted(visitors.items(), key=lambda item: (item[1].register, item[1].offset)):
        reach = visitor.offset + visitor.width
        most = BITS if visitor.bits else REGISTERS
        if visitor.register == last and visitor.offset <= end + GAP and max(end, reach) - start <= most:
            groups[-1].append(name)
            end = max(end, reach)
        else:
            groups.append([name])
            last, start, end = visitor.register, visitor.offset, reach
    return groups


def decoded(visitor: Visitor, words: Sequence[int]) -> Scalar:
    """The value of its registers, scaled; of several bits or registers the first decides a boolean."""
    if visitor.bits or visitor.kind == "boolean":
        return bool(words[0])
    packed = _arranged(visitor, words)
    if visitor.kind == "string":
        return packed.rstrip(b"\0").decode()
    (number,) = struct.unpack(f">{visitor.format}", packed)
    if isinstance(number, float):
        return float(number * visitor.scale if visitor.scale != 1 else _short(number, visitor.format))
    scaled = number * _decimal(visitor.scale)
    return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)


def encoded(visitor: Visitor, value: Scalar) -> list[int]:
    """The registers that hold a value. Raises `Rejected` when they cannot."""
    width = visitor.width
    if visitor.kind == "boolean":
        return [int(bool(number_of(value)))] + [0] * (width - 1)
    if visitor.kind == "string":
        text = value if isinstance(value, bytes) else str(value).encode()
        if len(text) > 2 * width:
            reason = f"{len(text)} bytes do not fit into {width} registers; raise limit"
            raise Rejected(reason)
        packed = text.ljust(2 * width, b"\0")
    else:
        packed = _packed(visitor, number_of(value))
    words = struct.unpack(f">{width}H", packed)
    return list(struct.unpack(f">{width}H", _arranged(visitor, words)))


def _packed(visitor: Visitor, value: int | float) -> bytes:
    if not visitor.scale:
        message = "scale 0 cannot be undone: such a property cannot be written"
        raise Rejected(message)
    exact = _decimal(value) / _decimal(visitor.scale)
    number: int | float = float(exact) if visitor.format in "fd" else round(exact)
    try:
        return struct.pack(f">{visitor.format}", number)
    except (struct.error, OverflowError):
        reason = f"{value} (with scale {visitor.scale:g}: {number}) does not fit into {visitor.kind}"
        raise Rejected(reason) from None


def _arranged(visitor: Visitor, words: Sequence[int]) -> bytes:
    """Registers as bytes, most significant first; the same turns bytes into what the device wants."""
    ordered = reversed(words) if visitor.isRegisterSwap else words
    return struct.pack(f"{'<' if visitor.isSwap else '>'}{len(words)}H", *ordered)


def number_of(value: Scalar) -> int | float:
    """A value that is to be written, as a number. Raises `Rejected` for text that is none."""
    if isinstance(value, str | bytes):
        try:
            return float(value)
        except ValueError:
            reason = f"{value!r} is no number; give the model's property type INT, FLOAT or BOOLEAN"
            raise Rejected(reason) from None
    return value


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _short(number: float, code: str) -> float:
    """Of a 32-bit float no more digits than it has."""
    return float(f"{number:.7g}") if code == "f" else number
