"""A device on the bench: a driver whose far side a test holds in its hands. A double of a device, not of the kit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.device import Device, Property
from devices.mapper.driver import Driver, Scalar
from tests.devices.mapper import manager
from twins.errors import Rejected
from twins.values import Declared


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    place: str = "here"
    port: int = 0


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    property: str
    at: int = 0


class Bench:
    """What the devices hold, and what happened to them. `driver` is the class to run."""

    def __init__(self) -> None:
        self.values: dict[str, Scalar | Exception] = {}
        self.written: list[tuple[str, Scalar]] = []
        self.reads: list[tuple[str, ...]] = []
        self.opened: list[Settings] = []
        self.closed: list[str] = []
        self.away: dict[str, Exception] = {}
        self.hangs: set[str] = set()
        self.condition = "online"
        bench = self

        class OnBench(Driver[Settings, Visitor]):
            protocol = "bench"

            async def connect(self) -> None:
                bench.opened.append(self.settings)
                if self.settings.place in bench.away:
                    raise bench.away[self.settings.place]

            async def close(self) -> None:
                bench.closed.append(self.settings.place)

            async def read(self, visitor: Visitor) -> Scalar:
                if self.settings.place in bench.hangs:
                    await asyncio.Event().wait()
                found = bench.values[visitor.property]
                if isinstance(found, Exception):
                    raise found
                return found

            async def write(self, visitor: Visitor, value: Scalar) -> None:
                if isinstance(fault := bench.values.get(visitor.property), Exception):
                    raise fault
                bench.written.append((visitor.property, value))
                bench.values[visitor.property] = value

            async def read_many(self, visitors: Mapping[str, Visitor]) -> dict[str, Scalar | Rejected]:
                bench.reads.append(tuple(visitors))
                return await super().read_many(visitors)

            async def state(self) -> str:
                return bench.condition

        self.driver: type[Driver[Any, Any]] = OnBench


def described(place: str = "here", **properties: Property | str) -> Device:
    """A device with these properties; a text is the desired value of an integer that is reported each second."""
    own = {name: each if isinstance(each, Property) else whole(name, each) for name, each in properties.items()}
    return Device("default", "d1", settings={"place": place}, properties=own)


def whole(name: str, desired: str = "", **fields: Any) -> Property:
    return Property(name, Declared(kind="int", desired=desired or None), **({"reported": True} | fields))


def document(name: str = "d1", place: str = "here", **properties: dict[str, Any]) -> pb.Device:
    """A device on the wire."""
    return manager.device(
        {
            "metadata": {"name": name},
            "spec": {
                "deviceModelRef": {"name": "bench"},
                "protocol": {"protocolName": "bench", "configData": {"place": place}},
                "methods": [{"name": "setLevel", "propertyNames": ["level"]}],
                "properties": [{"name": key, "reportToCloud": True} | own for key, own in properties.items()],
            },
        }
    )


MODEL = manager.model(
    {
        "metadata": {"name": "bench"},
        "spec": {
            "properties": [
                {"name": "temp", "type": "INT", "accessMode": "ReadOnly"},
                {"name": "level", "type": "INT", "accessMode": "ReadWrite", "minimum": "0", "maximum": "100"},
            ]
        },
    }
)
