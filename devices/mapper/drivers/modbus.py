"""Modbus-TCP through pymodbus: bits and registers of a device. Neighbours are read in one request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from devices.mapper.driver import Driver, Scalar, rejected
from devices.mapper.drivers.registers import Visitor, Word, decoded, encoded, neighbourhoods, number_of
from twins.errors import Rejected, Unavailable

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # each of its errors is raised too, and told with the device

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
            await self._ask(doing, self._client.write_coil, visitor.offset, bool(number_of(value)))
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
