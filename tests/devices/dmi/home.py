"""The door in this process: a real core and registry on a disk in memory, real sockets, short patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devices.dmi.book import Book
from devices.dmi.config import DmiConfig
from devices.dmi.door import MapperDoor
from gateway.causes import Causes
from gateway.committed import Committed
from gateway.core import Core
from gateway.manifests.registry import Registry
from gateway.timers import Timers
from rules.rules import Rules
from runtime.clock import SystemClock
from streams.streams import Streams
from tests.gateway.stage import Disk
from twins.exchange import Event
from twins.stimuli import Edit, Updated
from twins.twin import Twins

MODEL = {
    "kind": "DeviceModel",
    "metadata": {"name": "of-all"},
    "spec": {"properties": [{"name": name} for name in ("a", "b", "c", "x", *(f"x{n}" for n in range(40)))]},
}


class Home:
    """Everything that the door for mappers stands in; `notes` is what a person was told."""

    def __init__(self, config: DmiConfig, disk: Disk | None = None) -> None:
        clock = SystemClock()
        self.disk = disk or Disk()
        self.twins = Twins(strict=config.strict)
        self.core = Core(self.twins, Rules(), Streams(), self.disk, Timers(clock), clock)
        self.registry = Registry(self.core.ask, clock, Causes(1).of("manifest"))
        self.book = Book(self.twins.get, strict=config.strict)
        self.notes: list[Event] = []
        self.door = MapperDoor(
            config, self.book, self.core.ask, self.registry.apply, clock, Causes(1).of("mapper"), self.notes.append
        )
        self.core.listen(self.registry)
        self.core.listen(self)

    def tell(self, committed: Committed) -> None:
        self.book.tell(committed.said)

    def recover(self, disk: Disk) -> None:
        """Take up what an earlier run left."""
        found = disk.found()
        self.twins.restore(found.twins, found.seen)
        assert not self.registry.restore(found.manifests)

    async def apply(self, name: str, protocol: str, **desired: str) -> None:
        """A device of the one model there is."""
        spec = {
            "deviceModelRef": {"name": "of-all"},
            "protocol": {"protocolName": protocol},
            "properties": [{"name": key, "desired": {"value": value}} for key, value in desired.items()],
        }
        await self.registry.apply({"kind": "Device", "metadata": {"name": name}, "spec": spec}, "test")

    async def set(self, name: str, **desired: str) -> None:
        edits: dict[str, Edit | None] = {key: Edit(desired=value) for key, value in desired.items()}
        await self.core.ask(Updated(f"default/{name}", "test", 1, edits, 1, origin="edge"))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Home]:
        """With the core at work and the door open."""
        self.registry.watch("DeviceModel", self.book.model)
        self.registry.watch("Device", self.book.device)
        self.registry.watch("Mapper", self.book.mapper)
        self.book.begin()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.core.run()), group.create_task(self.door.run())]
            async with asyncio.timeout(10):
                await self.door.ready.wait()
            await self.registry.apply(MODEL, "test")
            yield self
            for task in tasks:
                task.cancel()


def config(folder: Path, **others: Any) -> DmiConfig:
    """Patience that fits a test."""
    patience: dict[str, Any] = {
        "call_timeout": 0.5,
        "probe_interval": 0.05,
        "backoff_first": 0.02,
        "backoff_limit": 0.1,
    }
    return DmiConfig(folder / "dmi.sock", **(patience | others))


async def until(fact: Callable[[], object], deadline: float = 5.0) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(deadline):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
