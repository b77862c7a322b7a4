"""`gemelo mapper` as people type it, with what the documentation shows: the meter, and a driver of one's own."""

from __future__ import annotations

import asyncio
import re
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.config import MapperConfig, load
from tests.devices.mapper import manager as double
from tests.devices.mapper.manager import Manager
from tests.gateway.process import ROOT, environment
from twins.errors import Rejected

PAGE = (ROOT / "docs" / "mappers.md").read_text("utf-8")
METER = ROOT / "docs" / "examples" / "meter.yaml"


def block(language: str, holding: str) -> str:
    """The block of the page that holds a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return next(each for each in blocks if holding in each)


def take(manager: Manager, path: Path, **settings: Any) -> pb.Device:
    """Give the manager a file's manifests, the device with other settings."""
    for found in double.manifests(path):
        if isinstance(found, pb.DeviceModel):
            manager.models[found.name] = found
        else:
            for key, value in double.packed(settings).data.items():
                found.spec.protocol.configData.data[key].CopyFrom(value)
            manager.devices[found.name] = found
            device = found
    return device


@asynccontextmanager
async def command(*words: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`gemelo mapper …` until the block ends; then SIGTERM, and it must end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "mapper", *words),
        cwd=folder,
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0, told.decode()
    finally:
        if process.returncode is None:
            process.kill()


async def refused(*words: str, folder: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "mapper", *words),
        cwd=folder,
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, told.decode()


async def test_the_meter_of_the_documentation_is_in_its_twin(manager: Manager, tmp_path: Path) -> None:
    pytest.importorskip("pymodbus")
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    power, energy = struct.unpack(">2H", struct.pack(">f", 1234.5)), (0x0002, 0x0001)
    blocks = (
        [SimData(0, values=[True] * 16, datatype=DataType.BITS)],
        [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
        [SimData(0, values=[6], datatype=DataType.REGISTERS)],
        [SimData(0, values=[2314, 0, *power, *energy], datatype=DataType.REGISTERS)],
    )
    server = ModbusTcpServer(SimDevice(1, simdata=blocks), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    device = take(manager, METER, ip="127.0.0.1", port=server.transport.sockets[0].getsockname()[1])
    try:
        async with command("modbus", "--manager", str(manager.socket), folder=tmp_path):
            await manager.until(lambda: manager.values("relay"))
            first = {name: manager.values(name)[0] for name in ("voltage", "power", "energy", "relay")}
            assert first == {"voltage": "231.4", "power": "1234.5", "energy": "65538", "relay": "true"}
            await manager.until(lambda: "10" in manager.values("limit"))  # desired, and read back
            device.spec.properties[4].desired.value = "false"
            await manager.call("UpdateDevice", device=device)
            await manager.until(lambda: "false" in manager.values("relay"))
            assert manager.states == [("default/my-meter", "online", "")]
    finally:
        await server.shutdown()


async def test_the_driver_of_the_documentation_works(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "files.py").write_text(block("python", "class Files"))
    (tmp_path / "fan.yaml").write_text(block("yaml", "name: fan"))
    (tmp_path / "temperature").write_text("54\n")
    (tmp_path / "speed").write_text("0\n")
    take(manager, tmp_path / "fan.yaml")
    async with command("files:Files", "--manager", str(manager.socket), folder=tmp_path):
        await manager.until(lambda: "54" in manager.values("temperature") and "120" in manager.values("speed"))
        assert manager.registered[0].protocol == "files"
    assert (tmp_path / "speed").read_text() == "120"


async def test_the_framework_s_own_configuration_is_taken(manager: Manager, tmp_path: Path, sockets: Path) -> None:
    config = {
        "grpc_server": {"socket_path": str(sockets / "own.sock")},
        "common": {
            "name": "Virtual-mapper",
            "version": "v1.13.0",
            "api_version": "v1.0.0",
            "protocol": "virtualProtocol",
            "address": "127.0.0.1",
            "edgecore_sock": str(manager.socket),
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    async with command("virtual", "-c", "config.yaml", folder=tmp_path):
        await manager.until(lambda: manager.registered)
        [info] = manager.registered
        assert (info.name, info.protocol, info.version) == ("Virtual-mapper", "virtualProtocol", "v1.13.0")
        assert info.address.decode() == str(sockets / "own.sock")
        assert (sockets / "own.sock").stat().st_mode & 0o007 == 0  # others have no say
    assert not (sockets / "own.sock").exists()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("modbsu",), 1, "no driver 'modbsu'; did you mean modbus?"),
        (("virtual", "-c", "none.yaml"), 1, "none.yaml: cannot be read"),
        (("virtual", "--listen", "0.0.0.0:80"), 1, "write a loopback address"),
        (("virtual", "--manager", "m.sock", "--socket", "/proc/none/x.sock"), 3, "choose another socket"),
    ],
)
async def test_a_command_that_cannot_work_says_why_in_one_line(
    words: tuple[str, ...], code: int, reason: str, tmp_path: Path
) -> None:
    found, told = await refused(*words, folder=tmp_path)
    assert (found, reason in told) == (code, True), told
    assert "Traceback" not in told


def test_the_options_of_the_page_are_those_of_the_code(tmp_path: Path) -> None:
    file = tmp_path / "mapper.yaml"
    file.write_text(block("yaml", "manager: "))
    config = load(file)
    assert set(yaml.safe_load(file.read_text())) == set(MapperConfig.__struct_fields__) - {"version"}
    assert (config.manager, config.deadline, config.rate) == (MapperConfig().manager, 5, MapperConfig().rate)
    file.write_text("manger: x")
    with pytest.raises(Rejected, match="manger: no such key; did you mean manager"):
        load(file)


def test_every_driver_says_its_keys_on_the_page() -> None:
    from devices.mapper.drivers import http, virtual

    modbus = pytest.importorskip("devices.mapper.drivers.modbus")
    text = PAGE.partition("## Drivers that come along")[2].partition("## A driver of your own")[0]
    for module in (http, virtual, modbus):
        own = {*module.Settings.__struct_fields__, *module.Visitor.__struct_fields__} - {"property"}
        assert [key for key in own if f"`{key}`" not in text] == []
