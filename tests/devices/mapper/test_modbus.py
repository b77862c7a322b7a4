"""Modbus against pymodbus's own server, on real sockets; its conversions alone."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

pytest.importorskip("pymodbus")

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from devices.mapper.drivers.modbus import Modbus, Settings
from devices.mapper.drivers.registers import Visitor, decoded, encoded, neighbourhoods
from tests.devices.mapper import manager as double
from tests.devices.mapper.conftest import Runs
from tests.devices.mapper.manager import Manager
from twins.errors import Rejected, Unavailable

UNIT = 17
FLOAT = struct.unpack(">2H", struct.pack(">f", 231.5))


def visitor(register: str, offset: int, **fields: Any) -> Visitor:
    return msgspec.convert({"register": register, "offset": offset} | fields, Visitor)


class Plant:
    """A Modbus server with coils, discrete inputs, holding and input registers from 0 to 99, that can be unplugged."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[int, int, int]] = []
        self._server: Any = None

    async def start(self) -> None:
        blocks = (
            [SimData(0, values=[True, False, True] + [False] * 97, datatype=DataType.BITS)],
            [SimData(0, values=[False, True] + [False] * 98, datatype=DataType.BITS)],
            [SimData(0, values=[0] * 100, datatype=DataType.REGISTERS)],
            [SimData(0, values=[215, 0xFFFE, *FLOAT, 0x4142, 0x4300] + [0] * 94, datatype=DataType.REGISTERS)],
        )
        device = SimDevice(UNIT, simdata=blocks)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port), trace_pdu=self._trace)
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self._server.shutdown()

    async def set(self, offset: int, *words: int) -> None:
        await self._server.async_setValues(UNIT, 16, offset, list(words))

    async def get(self, offset: int, count: int) -> list[int]:
        return await self._server.async_getValues(UNIT, 3, offset, count)

    def _trace(self, sending: bool, pdu: Any) -> Any:
        if not sending:
            self.requests.append((pdu.function_code, pdu.address, pdu.count))
        return pdu


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    running = Plant()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def modbus(plant: Plant) -> AsyncIterator[Modbus]:
    driver = Modbus(Settings("127.0.0.1", plant.port, UNIT))
    await driver.connect()
    yield driver
    await driver.close()


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (visitor("CoilRegister", 0), True),
        (visitor("CoilRegister", 1, limit=1), False),
        (visitor("DiscreteInputRegister", 1), True),
        (visitor("InputRegister", 0), 215),
        (visitor("InputRegister", 0, scale=0.1), 21.5),
        (visitor("InputRegister", 1, dataType="int16"), -2),
        (visitor("InputRegister", 1, dataType="int"), 65534),
        (visitor("InputRegister", 2, dataType="float"), 231.5),
        (visitor("InputRegister", 2, dataType="float32", limit=2), 231.5),
        (visitor("InputRegister", 4, dataType="string", limit=2), "ABC"),
        (visitor("InputRegister", 0, isSwap=True), 0xD700),
        (visitor("InputRegister", 0, limit=2, isRegisterSwap=True), 0xFFFE00D7),
        (visitor("InputRegister", 0, limit=2), 0x00D7FFFE),
        (visitor("InputRegister", 0, dataType="boolean"), True),
    ],
    ids=lambda each: str(each) if not isinstance(each, Visitor) else f"{each.register}-{each.offset}-{each.kind}",
)
async def test_each_kind_of_register_is_read(asked: Visitor, value: object, modbus: Modbus) -> None:
    assert await modbus.read(asked) == value
    assert await modbus.read_many({"p": asked}) == {"p": value}


@pytest.mark.parametrize(
    ("asked", "value", "words"),
    [
        (visitor("HoldingRegister", 10), 7, [7]),
        (visitor("HoldingRegister", 10, scale=0.1), 21.5, [215]),
        (visitor("HoldingRegister", 10, dataType="int16"), -2, [0xFFFE]),
        (visitor("HoldingRegister", 10, dataType="float32"), 231.5, list(FLOAT)),
        (visitor("HoldingRegister", 10, dataType="uint32", isRegisterSwap=True), 0x00010002, [2, 1]),
        (visitor("HoldingRegister", 10, isSwap=True), 0x0102, [0x0201]),
        (visitor("HoldingRegister", 10, dataType="string", limit=2), "ABC", [0x4142, 0x4300]),
        (visitor("HoldingRegister", 10, dataType="boolean"), True, [1]),
    ],
    ids=lambda each: each.kind if isinstance(each, Visitor) else str(each),
)
async def test_a_holding_register_is_written_as_it_is_read(
    asked: Visitor, value: Any, words: list[int], modbus: Modbus, plant: Plant
) -> None:
    await modbus.write(asked, value)
    assert await plant.get(10, len(words)) == words
    assert await modbus.read(asked) == value


async def test_a_coil_is_written(modbus: Modbus) -> None:
    coil = visitor("CoilRegister", 5)
    await modbus.write(coil, True)
    assert await modbus.read(coil) is True


@pytest.mark.parametrize(
    ("asked", "value", "reason"),
    [
        (visitor("InputRegister", 0), 1, "InputRegister cannot be written"),
        (visitor("DiscreteInputRegister", 0), 1, "DiscreteInputRegister cannot be written"),
        (visitor("HoldingRegister", 5000), 1, "illegal address"),
        (visitor("HoldingRegister", 0), 70000, "does not fit into int"),
        (visitor("HoldingRegister", 0), "x", "is no number"),
        (visitor("HoldingRegister", 0, scale=0), 1, "scale 0"),
        (visitor("HoldingRegister", 0, dataType="string", limit=1), "ABC", "3 bytes do not fit into 1 registers"),
    ],
)
async def test_a_write_that_cannot_be_says_why(asked: Visitor, value: Any, reason: str, modbus: Modbus) -> None:
    with pytest.raises(Rejected, match=reason):
        await modbus.write(asked, value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"register": "HoldingRegister", "offset": 0, "limit": 3}, "limit 3 does not go with int"),
        ({"register": "HoldingRegister", "offset": 0, "limit": 1, "dataType": "float32"}, "which takes 2"),
        ({"register": "CoilRegister", "offset": 0, "limit": 8}, "which takes 1"),
        ({"register": "Coil", "offset": 0}, "Invalid enum value"),
        ({"register": "CoilRegister", "offset": -1}, "offset"),
        ({"register": "CoilRegister", "offset": 0, "ofset": 0}, "ofset"),
    ],
)
def test_a_visitor_that_makes_no_sense_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(fields, Visitor)


async def test_neighbours_are_read_in_one_request_and_a_bad_one_spoils_no_other(modbus: Modbus, plant: Plant) -> None:
    near = {"a": visitor("InputRegister", 0), "b": visitor("InputRegister", 2, dataType="float32")}
    assert await modbus.read_many(near) == {"a": 215, "b": 231.5}
    assert plant.requests == [(4, 0, 4)]
    found = await modbus.read_many({"last": visitor("InputRegister", 99), "beyond": visitor("InputRegister", 101)})
    assert found["last"] == 0
    assert isinstance(found["beyond"], Rejected)
    assert "illegal address" in found["beyond"].reason


async def test_a_wrong_slave_is_told(plant: Plant) -> None:
    driver = Modbus(Settings("127.0.0.1", plant.port, 3, timeout=0.3))
    await driver.connect()
    with pytest.raises((Rejected, Unavailable)):
        await driver.read(visitor("InputRegister", 0))
    await driver.close()


async def test_nobody_at_the_address_is_told(plant: Plant) -> None:
    await plant.stop()
    with pytest.raises(Unavailable, match="check ip, port and the cable"):
        await Modbus(Settings("127.0.0.1", plant.port)).connect()


async def test_a_device_that_was_unplugged_is_away(modbus: Modbus, plant: Plant) -> None:
    asked = visitor("InputRegister", 0)
    await plant.stop()
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not answer while"):
            await modbus.read(asked)
        with pytest.raises(Unavailable, match="does not answer while"):
            await modbus.write(visitor("CoilRegister", 0), True)


def test_requests_stay_within_what_modbus_allows() -> None:
    spread = {str(n): visitor("HoldingRegister", n) for n in (0, 9, 30, 1000)}
    assert neighbourhoods(spread) == [["0", "9"], ["30"], ["1000"]]
    row = {str(n): visitor("HoldingRegister", n) for n in range(300)}
    assert [len(group) for group in neighbourhoods(row)] == [125, 125, 50]
    mixed = {"a": visitor("HoldingRegister", 0), "b": visitor("InputRegister", 1)}
    assert neighbourhoods(mixed) == [["a"], ["b"]]


@given(
    st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64"]),
    st.sampled_from([1, 0.1, 0.01, 10, 2.5]),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_what_was_written_is_read(kind: str, scale: float, swap: bool, turn: bool, data: Any) -> None:
    bits = int(kind.lstrip("uint"))
    low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    raw = data.draw(st.integers(max(low, -(2**50)), min(high, 2**50)))
    asked = visitor("HoldingRegister", 0, dataType=kind, scale=scale, isSwap=swap, isRegisterSwap=turn)
    plain = visitor("HoldingRegister", 0, dataType=kind, isSwap=swap, isRegisterSwap=turn)
    words = encoded(plain, raw)
    assert decoded(plain, words) == raw
    assert encoded(asked, decoded(asked, words)) == words


METER = {
    "metadata": {"name": "meter"},
    "spec": {
        "deviceModelRef": {"name": "meter"},
        "protocol": {"protocolName": "modbus", "configData": {"ip": "127.0.0.1", "slaveID": UNIT}},
        "properties": [
            {
                "name": "voltage",
                "reportToCloud": True,
                "collectCycle": 50,
                "visitors": {"configData": {"register": "HoldingRegister", "offset": 0, "scale": 0.1}},
            },
            {
                "name": "relay",
                "reportToCloud": True,
                "collectCycle": 50,
                "desired": {"value": "false"},
                "visitors": {"configData": {"register": "CoilRegister", "offset": 0}},
            },
        ],
    },
}
MODEL = {
    "metadata": {"name": "meter"},
    "spec": {
        "properties": [
            {"name": "voltage", "type": "FLOAT", "accessMode": "ReadOnly", "unit": "V"},
            {"name": "relay", "type": "BOOLEAN", "accessMode": "ReadWrite"},
        ]
    },
}


async def test_a_meter_is_in_the_twin_goes_offline_when_unplugged_and_comes_back(
    plant: Plant, manager: Manager, runs: Runs
) -> None:
    METER["spec"]["protocol"]["configData"]["port"] = plant.port
    manager.models["meter"] = double.model(MODEL)
    manager.devices["meter"] = double.device(METER)
    await plant.set(0, 2314)
    async with runs(Modbus):
        await manager.until(lambda: "231.4" in manager.values("voltage") and "false" in manager.values("relay"))
        await plant.stop()
        await manager.until(lambda: manager.states[-1][1] == "offline")
        assert "127.0.0.1" in manager.states[-1][2]
        told = len(manager.reports)
        await plant.start()
        await plant.set(0, 2299)
        await manager.until(lambda: "229.9" in manager.values("voltage")[-1:])
        await manager.until(lambda: manager.states[-1][1] == "online")
    assert len(manager.reports) > told
    assert [state for _, state, _ in manager.states] == ["online", "offline", "online", "unknown"]


async def test_a_hundred_registers_are_one_request(modbus: Modbus, plant: Plant) -> None:
    asked = {f"r{n}": visitor("InputRegister", n) for n in range(100)}
    async with asyncio.timeout(5):
        assert len(await modbus.read_many(asked)) == 100
    assert len(plant.requests) == 1
