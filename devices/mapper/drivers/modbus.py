"""Modbus-TCP through pymodbus: coils, discrete inputs, input and holding registers. Neighbours are read in one request.

Visitors have the keys of KubeEdge's Modbus mapper. `isSwap` swaps the two bytes of each register, `isRegisterSwap`
reverses the registers of a value; without both the most significant comes first, as Modbus has it. As in KubeEdge's
mapper, `int` and `float` take their width from `limit`, and `int` is unsigned.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from devices.mapper.driver import Driver, Scalar, rejected
from twins.errors import Rejected, Unavailable

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # each of its errors is raised too, and told with the device

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
REASONS = {
    1: "illegal function: the device does not know this kind of register",
    2: "illegal address: the device has nothing at this offset, or not so much of it; check offset and limit",
    3: "illegal value: the device does not take it",
    4: "the device failed",
    5: "the device needs longer",
    6: "the device is busy",
    8: "the device's memory is damaged",
    10: "the Modbus gateway has no path to the device; check slaveID",
    11: "the device behind the Modbus gateway does not answer; check slaveID",
}


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """`spec.protocol.configData`."""

    ip: str
    """Address or name of the device."""
    port: Word = 502
    slaveID: Annotated[int, Meta(ge=0, le=255)] = 1  # noqa: N815 - KubeEdge's key
    timeout: Annotated[float, Meta(gt=0)] = 2.0
    """Seconds that a request may take."""


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


class Modbus(Driver[Settings, Visitor]):
    """One connection a device."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # The kit reconnects and decides when to try again; pymodbus shall do neither.
        self._client = AsyncModbusTcpClient(
            settings.ip, port=settings.port, timeout=settings.timeout, retries=0, reconnect_delay=0
        )

    async def connect(self) -> None:
        if not await self._client.connect():
            reason = f"nothing answers at {self.settings.ip}:{self.settings.port}; check ip, port and the cable"
            raise Unavailable(reason)

    async def close(self) -> None:
        self._client.close()

    async def read(self, visitor: Visitor) -> Scalar:
        return decoded(visitor, await self._words(visitor.register, visitor.offset, visitor.width))

    async def read_many(self, visitors: Mapping[str, Visitor]) -> dict[str, Scalar | Rejected]:
        """As few requests as there are neighbourhoods; one that is refused is asked again property by property."""
        found: dict[str, Scalar | Rejected] = {}
        for group in neighbourhoods(visitors):
            found |= await self._read_group({name: visitors[name] for name in group})
        return found

    async def write(self, visitor: Visitor, value: Scalar) -> None:
        doing = f"writing {visitor.register} {visitor.offset}"
        if visitor.register == "CoilRegister":
            await self._ask(doing, self._client.write_coil, visitor.offset, bool(_number(value)))
        elif visitor.register == "HoldingRegister":
            await self._ask(doing, self._client.write_registers, visitor.offset, encoded(visitor, value))
        else:
            reason = f"{visitor.register} cannot be written, by Modbus; make the property ReadOnly"
            raise Rejected(reason)

    async def _read_group(self, group: Mapping[str, Visitor]) -> dict[str, Scalar | Rejected]:
        first = next(iter(group.values()))
        start = min(v.offset for v in group.values())
        end = max(v.offset + v.width for v in group.values())
        try:
            words = await self._words(first.register, start, end - start)
        except Rejected as refused:
            if len(group) == 1:
                return dict.fromkeys(group, refused)
            return await super().read_many(group)
        found: dict[str, Scalar | Rejected] = {}
        for name, visitor in group.items():
            own = words[visitor.offset - start : visitor.offset - start + visitor.width]
            try:
                found[name] = decoded(visitor, own)
            except Exception as error:  # noqa: BLE001 - text that is not UTF-8, and the like: of this property alone
                found[name] = rejected(error)
        return found

    async def _words(self, register: str, offset: int, count: int) -> list[int]:
        reads: dict[str, Callable[..., Awaitable[Any]]] = {
            "CoilRegister": self._client.read_coils,
            "DiscreteInputRegister": self._client.read_discrete_inputs,
            "InputRegister": self._client.read_input_registers,
            "HoldingRegister": self._client.read_holding_registers,
        }
        answer = await self._ask(f"reading {register} {offset}", reads[register], offset, count=count)
        bits = register in {"CoilRegister", "DiscreteInputRegister"}
        words = [int(bit) for bit in answer.bits[:count]] if bits else list(answer.registers)
        if len(words) < count:
            reason = f"reading {register} {offset}: {len(words)} of {count} came"
            raise Rejected(reason)
        return words

    async def _ask(self, doing: str, call: Callable[..., Awaitable[Any]], *args: Any, **fields: Any) -> Any:
        try:
            answer = await call(*args, device_id=self.settings.slaveID, **fields)
        except ModbusException as error:
            reason = f"{self.settings.ip}:{self.settings.port} does not answer while {doing}"
            raise Unavailable(reason) from error
        if answer.isError():
            code = int(answer.exception_code)
            raise Rejected(f"{doing}: {REASONS.get(code, f'Modbus exception {code}')}")
        return answer


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
        return [int(bool(_number(value)))] + [0] * (width - 1)
    if visitor.kind == "string":
        text = value if isinstance(value, bytes) else str(value).encode()
        if len(text) > 2 * width:
            reason = f"{len(text)} bytes do not fit into {width} registers; raise limit"
            raise Rejected(reason)
        packed = text.ljust(2 * width, b"\0")
    else:
        packed = _packed(visitor, _number(value))
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


def _number(value: Scalar) -> int | float:
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
