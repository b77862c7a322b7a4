"""A gateway, a mosquitto and a mapper, each a process of its own: what is asked and said goes all the way."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.gateway.process import ROOT, Gateway, Sensor, environment, until

pytest.importorskip("grpc", reason="gRPC is not installed: the extra `dmi`")

# Registers, reports what it is asked as done, and says what it hears; to the end of its input.
_MAPPER = """
import asyncio, json, sys
from pathlib import Path
from tests.devices.dmi.mapper import manager, mapper, twin

def said(method, device):
    desired = {p.name: p.desired.value for p in device.spec.properties}
    print(json.dumps([method, device.name, desired]), flush=True)

async def main(gateway, own):
    async with mapper(own) as served, manager(gateway) as door:
        for each in (await door.register("process", "virtual", own)).deviceList:
            said("MapperRegister", each)
        done = 0
        while True:
            while done < len(served.calls):
                method, request = served.calls[done]
                done += 1
                if not hasattr(request, "device"):
                    continue
                said(method, request.device)
                values = [twin(p.name, p.desired.value) for p in request.device.spec.properties if p.desired.value]
                if values:
                    await door.report(request.device.name, *values)
            await asyncio.sleep(0.01)

asyncio.run(main(*map(Path, sys.argv[1:])))
"""
_MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "fan"},
    "spec": {"protocol": "virtual", "properties": [{"name": "speed", "type": "INT", "accessMode": "ReadWrite"}]},
}
_DEVICE = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "fan-1"},
    "spec": {
        "deviceModelRef": {"name": "fan"},
        "protocol": {"protocolName": "virtual", "configData": {"id": 1}},
        "properties": [{"name": "speed"}],
    },
}


class Process:
    """The mapper as a process; `lines` are what it heard since it was started first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "mapper.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", _MAPPER, str(self._folder / "dmi.sock"), str(self._folder / "mapper.sock")]
        with self._log.open("ab") as log, (self._folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=log, stderr=errors)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def hears(self, *line: Any) -> None:
        until(lambda: list(line) in self.lines, what=lambda: f"{self.lines}\n{(self._folder / 'errors').read_text()}")


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="dmi") as name:  # a socket's path has room for 107 bytes
        yield Path(name)


async def test_a_mapper_is_told_reports_dies_and_hears_the_newest_when_it_is_back(folder: Path) -> None:
    mapper = Process(folder)
    with Gateway(folder, dmi=f'socket = "{folder}/dmi.sock"', twins="enrol = false") as gateway:
        gateway.start()
        gateway.says("mappers are served on")
        mapper.start()
        try:
            gateway.says("mapper process serves virtual")
            gateway.apply("\n---\n".join(map(json.dumps, (_MODEL, _DEVICE))))
            await asyncio.to_thread(mapper.hears, "RegisterDevice", "fan-1", {"speed": ""})
            async with Sensor(gateway.broker(), "fan-1") as ear:
                set_speed(gateway, "5")
                await asyncio.to_thread(mapper.hears, "UpdateDevice", "fan-1", {"speed": "5"})
                told = await ear.hear()
                assert told["twin"]["speed"]["actual"]["value"] == "5"
            assert gateway.reported("fan-1", "speed") == "5"

            mapper.kill()
            for value in ("6", "7", "8"):
                set_speed(gateway, value)
            gateway.complains(r"mapper process \(virtual\) is away")
            mapper.start()
            mapper.hears("MapperRegister", "fan-1", {"speed": "8"})
            until(lambda: "is away" not in gateway.reasons())

            assert gateway.stop() == 0  # the mapper goes on, and the next gateway knows it
            gateway.start()
            set_speed(gateway, "9")
            mapper.hears("UpdateDevice", "fan-1", {"speed": "9"})
            until(lambda: gateway.reported("fan-1", "speed") == "9")
            assert "Traceback" not in gateway.output
        finally:
            mapper.kill()


def set_speed(gateway: Gateway, value: str) -> None:
    status, told = gateway.ask("PUT", "/api/v1/devices/default/fan-1/desired/speed", {"value": value})
    assert status == 200, told
